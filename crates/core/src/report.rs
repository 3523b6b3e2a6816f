//! Where roles say what happened.
