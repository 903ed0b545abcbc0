//! A panic in a unit's run becomes an error that names the place, and ends that run only.

use std::{
    any::Any,
    cell::RefCell,
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

use futures::FutureExt;

use crate::error::{Code, DmError};

thread_local! {
    /// Where this thread panicked last.
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Remembers the place of every panic; the earlier hook still runs. Only the first call does something.
fn remember_places() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let earlier = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            PLACE.with(|p| *p.borrow_mut() = place);
            earlier(info);
        }));
    });
}

/// Runs a future; if it panics, the error says where and why (it carries no code of DM: 50000).
pub async fn guarded<T>(what: &str, work: impl Future<Output = Result<T, DmError>>) -> Result<T, DmError> {
    remember_places();
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(result) => result,
        // No await since the panic: still the same thread.
        Err(payload) => {
            let place = PLACE.with(|p| p.borrow().clone());
            let text = format!("{what} panicked at {place}: {}", words(payload.as_ref()));
            Err(DmError::new(Code::NotSet).msg(text))
        }
    }
}

fn words(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no text)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_with_its_place() {
        let numbers: Vec<u8> = Vec::new();
        let error = guarded("unit Sync", async { Ok::<_, DmError>(numbers[3]) }).await.unwrap_err();
        assert_eq!(error.code(), Code::NotSet);
        assert!(error.message().starts_with("unit Sync panicked at src/actors/unit/panics.rs:"), "{error}");
        assert!(error.message().contains("index out of bounds"), "{error}");
    }
}
