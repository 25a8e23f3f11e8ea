//! A few open ledgers, for work that blocks. A ledger drives its own connection and may not be used or closed on a
//! thread that serves requests.

use crate::program::{Program, Refused};
use roofmark_ledger::Ledger;
use std::sync::{Arc, Mutex, PoisonError};

/// Most ledgers that are kept open.
const MOST: usize = 4;

/// Open ledgers that nobody uses.
#[derive(Default)]
pub struct Ledgers {
    idle: Mutex<Vec<Ledger>>,
}

impl Ledgers {
    /// Runs `work` on a ledger. Blocks.
    pub fn with<T>(
        &self,
        program: &Arc<dyn Program>,
        work: impl FnOnce(&mut Ledger) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut ledger = match idle {
            Some(ledger) => ledger,
            None => program.open_ledger()?,
        };
        let done = work(&mut ledger);
        // A connection that failed is not used again.
        let broken = done.as_ref().is_err_and(|refused| refused.status >= 500);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if !broken && idle.len() < MOST {
            idle.push(ledger);
        } else {
            drop(idle);
        }
        done
    }
}

/// Closing blocks, so it happens on a thread of its own.
impl Drop for Ledgers {
    fn drop(&mut self) {
        let idle = std::mem::take(self.idle.get_mut().unwrap_or_else(PoisonError::into_inner));
        let _ = std::thread::spawn(move || drop(idle)).join();
    }
}
