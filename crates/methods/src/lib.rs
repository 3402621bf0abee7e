//! Carries plans out: one file for each way of installing, and the schedule that makes tasks of a plan
