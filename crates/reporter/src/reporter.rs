//! What a view of a run is, and several at once.

use std::io;

use hoist_executor::Event;

/// The words for a unit that is done: when something changed, and when nothing had to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// Something is different now.
    pub changed: &'static str,
    /// It was as it should be.
    pub unchanged: &'static str,
}

impl Default for Words {
    fn default() -> Self {
        Self {
            changed: "done",
            unchanged: "unchanged",
        }
    }
}

/// A view of a run.
pub trait Reporter {
    /// Takes note of what happened.
    fn report(&mut self, event: &Event) -> io::Result<()>;
}

/// Several views at once. One that fails is told once and left out from then on: a closed terminal
/// or a full disk stops no run.
#[derive(Default)]
pub struct Reporters<'a> {
    views: Vec<Box<dyn Reporter + Send + 'a>>,
    /// Why views were left out.
    pub failures: Vec<io::Error>,
}

impl<'a> Reporters<'a> {
    /// Adds a view.
    pub fn add(&mut self, view: impl Reporter + Send + 'a) {
        self.views.push(Box::new(view));
    }

    /// True when there is no view (any more).
    pub fn is_empty(&self) -> bool {
        self.views.is_empty()
    }

    /// Hands an event to every view.
    pub fn report(&mut self, event: &Event) {
        let failures = &mut self.failures;
        self.views.retain_mut(|view| match view.report(event) {
            Ok(()) => true,
            Err(error) => {
                failures.push(error);
                false
            }
        });
    }
}
