//! Views of the events of hoist-executor: progress bars, plain lines, log files, records
