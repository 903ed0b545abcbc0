//! Loaded before a program (LD_PRELOAD): its wall clock is off by the seconds that the file `DM_TEST_CLOCK` says, at each
//! look anew. Monotonic clocks are as they are. Compiled by the tests as a library of its own.

use std::ffi::{c_char, c_int, c_long, c_void};

#[repr(C)]
pub struct Timespec {
    seconds: i64,
    nanos: c_long,
}

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
    fn getenv(name: *const c_char) -> *const c_char;
    fn open(path: *const c_char, flags: c_int, ...) -> c_int;
    fn read(file: c_int, into: *mut c_void, most: usize) -> isize;
    fn close(file: c_int) -> c_int;
}

#[cfg(target_arch = "x86_64")]
const CLOCK_GETTIME: c_long = 228;
#[cfg(target_arch = "aarch64")]
const CLOCK_GETTIME: c_long = 113;
/// CLOCK_REALTIME, and its coarse kind.
const WALL: [c_int; 2] = [0, 5];

/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: c_int, at: *mut Timespec) -> c_int {
    unsafe {
        let done = syscall(CLOCK_GETTIME, clock, at) as c_int;
        if done == 0 && WALL.contains(&clock) {
            (*at).seconds += shift();
        }
        done
    }
}

unsafe fn shift() -> i64 {
    let mut text = [0u8; 20];
    let count = unsafe {
        let path = getenv(c"DM_TEST_CLOCK".as_ptr());
        let file = if path.is_null() { -1 } else { open(path, 0) };
        if file < 0 {
            return 0;
        }
        let count = read(file, text.as_mut_ptr().cast(), text.len());
        close(file);
        count
    };
    let text = text.get(..usize::try_from(count).unwrap_or(0)).unwrap_or_default();
    std::str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}
