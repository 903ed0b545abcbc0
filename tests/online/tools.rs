//! The tools themselves, with writers at work.
