//! Remembers, crash-safely, what hoist did to a machine
