//! Total cost of owning a machine: price, resale, electricity, tokens; with intervals and what matters most.
//!
//! The arithmetic of one draw is [`outcome`]. [`simulate`] repeats it over seeded draws of the uncertain inputs,
//! [`tornado`] moves one input at a time. Money is in the currency of the question.

pub mod article;
pub mod facts;
mod outcome;
mod simulate;
mod uncertain;

pub use outcome::{Outcome, outcome};
pub use roofmark_facts::cost::{
    Bar, Basis, Comparison, Input, Metric, Quantity, Question, Requests, Summary, Uncertain,
};
pub use simulate::{DRAWS, compare, simulate, tornado};
pub use uncertain::{at, below};


/// Why a question has no answer. Completes "failed to …".
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CostError {
    /// A value that cannot be.
    #[error("work out a cost: {name} is {value}, expected {low} to {high}", name = quantity.name(), low = quantity.sane().0, high = quantity.sane().1)]
    Absurd {
        /// Which quantity.
        quantity: Quantity,
        /// Its value.
        value: f64,
    },
    /// A range that runs backwards.
    #[error("work out a cost: {name} runs from {low} down to {high}", name = quantity.name())]
    Backwards {
        /// Which quantity.
        quantity: Quantity,
        /// Its first end.
        low: f64,
        /// Its second end.
        high: f64,
    },
}

/// Refuses values that cannot be.
///
/// # Errors
/// [`CostError`] names the quantity and the value.
pub fn check(question: &Question) -> Result<(), CostError> {
    for (quantity, input) in &question.inputs {
        let (quantity, (low, high)) = (*quantity, input.value.ends());
        if low > high {
            return Err(CostError::Backwards { quantity, low, high });
        }
        let (least, most) = quantity.sane();
        for value in [low, high] {
            if !(least..=most).contains(&value) {
                return Err(CostError::Absurd { quantity, value });
            }
        }
    }
    Ok(())
}
