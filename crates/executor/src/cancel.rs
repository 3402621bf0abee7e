//! Asking a run to stop: first gracefully, then at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crossbeam::channel::{Receiver, Sender, bounded};

/// A handle that any thread may use to stop a run. Clones are the same handle.
#[derive(Debug, Clone)]
pub struct Cancel {
    level: Arc<AtomicU8>,
    wakeup: (Sender<()>, Receiver<()>),
}

impl Default for Cancel {
    fn default() -> Self {
        Self::new()
    }
}

impl Cancel {
    /// A handle nobody has used yet.
    pub fn new() -> Self {
        Self {
            level: Arc::default(),
            wakeup: bounded(1),
        }
    }

    /// The first call starts nothing new and asks what runs to end; any further call kills it.
    pub fn cancel(&self) {
        let _ = self
            .level
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |level| {
                Some((level + 1).min(2))
            });
        let _ = self.wakeup.0.try_send(());
    }

    /// True once somebody asked.
    pub fn is_cancelled(&self) -> bool {
        self.level() > 0
    }

    /// 0 go on, 1 stop gracefully, 2 kill.
    pub(crate) fn level(&self) -> u8 {
        self.level.load(Ordering::SeqCst)
    }

    /// Wakes up whenever the level may have changed.
    pub(crate) fn wakeup(&self) -> Receiver<()> {
        self.wakeup.1.clone()
    }
}
