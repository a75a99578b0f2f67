//! What threads share: a lock that outlives the panic of whoever held it.
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Waits for the lock. What stands behind it is whole between any two statements here, so a panic spoils nothing.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
