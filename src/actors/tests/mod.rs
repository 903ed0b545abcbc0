//! The whole tree in one process, with units that do what the test says and a log in memory. What needs several
//! processes (lost, frozen and restarted nodes) is tested with the real programs, in tests/.

mod bench;
mod rubbish;
mod supervision;
