//! Why a task failed.

/// Kind of a failure: what the executor and callers may decide by, as the message is for people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FailureKind {
    /// The same would fail again.
    #[default]
    Permanent,
    /// The same may succeed a little later, such as after an error of the network. Tasks are
    /// retried.
    Transient,
    /// Nothing was started. The task counts as one that never ran.
    NotStarted,
}

/// Why a task failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What was tried, on what, and what went wrong.
    pub message: String,
    /// What may be decided by.
    pub kind: FailureKind,
}

impl Failure {
    /// A permanent failure.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            kind: FailureKind::Permanent,
        }
    }

    /// A failure after which the same may succeed a little later.
    pub fn transient(message: impl Into<String>) -> Self {
        Self {
            kind: FailureKind::Transient,
            ..Self::new(message)
        }
    }

    /// A failure of a task that started nothing.
    pub fn not_started(message: impl Into<String>) -> Self {
        Self {
            kind: FailureKind::NotStarted,
            ..Self::new(message)
        }
    }

    /// Returns true where the same may succeed a little later.
    pub fn is_transient(&self) -> bool {
        self.kind == FailureKind::Transient
    }

    /// Returns true where nothing was started.
    pub fn is_not_started(&self) -> bool {
        self.kind == FailureKind::NotStarted
    }

    /// Puts text in front of the message, or behind it. The kind stays the same.
    #[must_use]
    pub fn map_message(self, change: impl FnOnce(String) -> String) -> Self {
        Self {
            message: change(self.message),
            kind: self.kind,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
