//! Bytes as what a script writes: messages are told from output, and nothing of it moves a cursor
//! or breaks a page.
#![no_main]

use hoist_machine::messages::ModuleMessage;
use hoist_reporter::plain_text;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    for line in text.lines() {
        assert!(!plain_text(line).chars().any(|c| c.is_control() && c != '\t'));
        if let Some(message) = ModuleMessage::parse(line) {
            assert!(!message.text.contains('\u{1b}'));
            let again = ModuleMessage::parse(&message.line()).map(|again| again.level);
            assert_eq!(again, Some(message.level));
        }
    }
});
