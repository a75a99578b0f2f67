//! What the memory beside a futex says: which thread owns the lock that another one waits for.
//!
//! Only locks that name their owner are read: mutexes of the GNU C library, plain, robust and with priority
//! inheritance. A condition variable, a semaphore, a lock of Rust, Go or Java names nobody and gives `None`.
use vocab::probe::FutexWait;

const FUTEX_WAIT: u32 = 0;
const FUTEX_LOCK_PI: u32 = 6;
const FUTEX_LOCK_PI2: u32 = 13;
/// FUTEX_PRIVATE_FLAG and FUTEX_CLOCK_REALTIME: they do not change what is waited for.
const OPERATION_FLAGS: u32 = 128 | 256;
/// `__lock` of a mutex that is locked and has waiters.
const LOCKED_WITH_WAITERS: u32 = 2;
/// Bits of `__kind` of a robust mutex and of one with priority inheritance: their lock word is the owner's tid.
const ROBUST: u32 = 16;
const PRIORITY_INHERITS: u32 = 32;
/// Bits that `__kind` may have: type, robust, inherit, protect, shared, elision on and off.
const KIND_BITS: u32 = 3 | ROBUST | PRIORITY_INHERITS | 64 | 128 | 256 | 512;
/// Thread id within a lock word that holds one.
const TID_MASK: u32 = 0x3fff_ffff;

/// The thread that owns the mutex waited for without end, if its memory proves that it is one.
pub fn owner(wait: &FutexWait) -> Option<u32> {
    let [lock, _count, owner, users, kind] = wait.words?;
    let is_mutex = kind & !KIND_BITS == 0 && users >= 1 && !wait.has_timeout;
    if !is_mutex {
        return None;
    }
    let holds_tid = kind & (ROBUST | PRIORITY_INHERITS) != 0;
    let owner = match wait.operation & !OPERATION_FLAGS {
        FUTEX_LOCK_PI | FUTEX_LOCK_PI2 if kind & PRIORITY_INHERITS != 0 => lock & TID_MASK,
        FUTEX_WAIT if kind & ROBUST != 0 && wait.expected == lock => lock & TID_MASK,
        FUTEX_WAIT if !holds_tid && lock == LOCKED_WITH_WAITERS && wait.expected == LOCKED_WITH_WAITERS => {
            owner
        }
        _ => return None,
    };
    (owner != 0).then_some(owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(operation: u32, expected: u32, words: [u32; 5]) -> FutexWait {
        FutexWait { address: 0x1000, operation, expected, has_timeout: false, words: Some(words) }
    }

    #[test]
    fn mutexes_name_their_owner() {
        assert_eq!(owner(&wait(128, 2, [2, 0, 77, 1, 0])), Some(77));
        assert_eq!(owner(&wait(0, 2, [2, 1, 77, 1, 128 | 1])), Some(77));
        assert_eq!(owner(&wait(128 | 6, 0, [0x8000_0000 | 77, 0, 77, 1, 32])), Some(77));
        assert_eq!(owner(&wait(0, 0x8000_0000 | 77, [0x8000_0000 | 77, 0, 77, 1, 16])), Some(77));
    }

    #[test]
    fn nothing_else_does() {
        let condition_variable = wait(128 | 256 | 9, 2, [2, 0, 77, 1, 0]);
        let sequence_word = wait(128, 6, [6, 0, 77, 1, 0]);
        let no_users = wait(128, 2, [2, 0, 77, 0, 0]);
        let odd_kind = wait(128, 2, [2, 0, 77, 1, 0x5555]);
        let unlocked = wait(128, 2, [1, 0, 77, 1, 0]);
        let timed = FutexWait { has_timeout: true, ..wait(128, 2, [2, 0, 77, 1, 0]) };
        let unreadable = FutexWait { words: None, ..wait(128, 2, [2, 0, 77, 1, 0]) };
        for one in [condition_variable, sequence_word, no_users, odd_kind, unlocked, timed, unreadable] {
            assert_eq!(owner(&one), None, "{one:?}");
        }
    }
}
