//! What tasks, units and pools of a graph are known by.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub(crate) u32);

        impl $name {
            /// The place in the order of creation, from zero.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

id!(/// A task of a graph.
    TaskId);
id!(/// A group of tasks that people see as one thing.
    UnitId);
id!(/// A bound on how many tasks of a kind run at once.
    PoolId);
