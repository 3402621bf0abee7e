//! The ticks of a time axis.

use std::time::Duration;

/// Long steps that people count in, in minutes; below half a minute they are the powers of ten,
/// their double and their fivefold.
const LONG_STEPS: [u64; 11] = [1, 2, 5, 10, 15, 30, 60, 120, 360, 720, 1440];
const MINUTE: u64 = 60_000_000_000;

/// Times from zero to `duration`, at most about `count` of them, with their texts.
pub(crate) fn ticks(duration: Duration, count: u64) -> Vec<(Duration, String)> {
    let total = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let step = step(total / count.max(1));
    (0..=total / step)
        .map(|tick| Duration::from_nanos(tick * step))
        .map(|time| (time, text(time)))
        .collect()
}

/// The smallest step above the given one.
fn step(least: u64) -> u64 {
    let short = (3..11)
        .flat_map(|power| [1, 2, 5].map(|factor| factor * 10u64.pow(power)))
        .filter(|step| *step < MINUTE / 2);
    let long = LONG_STEPS.iter().map(|minutes| minutes * MINUTE);
    short
        .chain([MINUTE / 2])
        .chain(long)
        .filter(|step| *step >= least)
        .min()
        .unwrap_or(least)
}

/// In the largest unit of which it is one or more, without idle zeros.
fn text(time: Duration) -> String {
    let trimmed = |value: f64| {
        format!("{value:.3}")
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned()
    };
    let (seconds, minutes) = (time.as_secs(), time.as_secs() / 60);
    match time.as_nanos() {
        0 => "0".to_owned(),
        1..1_000_000 => format!("{}µs", trimmed(time.as_secs_f64() * 1e6)),
        1_000_000..1_000_000_000 => format!("{}ms", trimmed(time.as_secs_f64() * 1e3)),
        _ if minutes == 0 => format!("{}s", trimmed(time.as_secs_f64())),
        _ if minutes < 60 && seconds % 60 == 0 => format!("{minutes}m"),
        _ if minutes < 60 => format!("{minutes}m {:02}s", seconds % 60),
        _ if minutes % 60 == 0 => format!("{}h", minutes / 60),
        _ => format!("{}h {:02}m", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(duration: Duration) -> String {
        ticks(duration, 5)
            .into_iter()
            .map(|(_, text)| text)
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn ticks_stand_at_times_that_people_count_in() {
        assert_eq!(
            texts(Duration::from_micros(800)),
            "0 200µs 400µs 600µs 800µs"
        );
        assert_eq!(texts(Duration::from_millis(2300)), "0 500ms 1s 1.5s 2s");
        assert_eq!(texts(Duration::from_secs(130)), "0 30s 1m 1m 30s 2m");
        assert_eq!(
            texts(Duration::from_secs(9000)),
            "0 30m 1h 1h 30m 2h 2h 30m"
        );
    }

    #[test]
    fn no_time_has_one_tick_and_all_time_few() {
        assert_eq!(texts(Duration::ZERO), "0");
        assert!(ticks(Duration::MAX, 5).len() <= 6);
    }
}
