//! A stage that panics loses its state, not the loop.
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs one stage; if it panics, its state is made anew, its answer is empty and `troubles` says so.
pub(crate) fn shielded<S, R: Default>(
    name: &str,
    stage: &mut S,
    anew: impl FnOnce() -> S,
    troubles: &mut Vec<String>,
    run: impl FnOnce(&mut S) -> R,
) -> R {
    match catch_unwind(AssertUnwindSafe(|| run(stage))) {
        Ok(answer) => answer,
        Err(panic) => {
            *stage = anew();
            troubles.push(format!("stage {name} failed and lost its state: {}", words(panic.as_ref())));
            R::default()
        }
    }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no words")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_costs_the_state_and_is_told() {
        let mut troubles = Vec::new();
        let mut state = 7;
        let answer: u32 = shielded("x", &mut state, || 1, &mut troubles, |_| panic!("boom"));
        assert_eq!((answer, state), (0, 1));
        assert!(troubles[0].contains("boom"));
        let answer = shielded("x", &mut state, || 1, &mut troubles, |state| *state + 1);
        assert_eq!((answer, troubles.len()), (2, 1));
    }
}
