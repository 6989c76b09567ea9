//! What a device reports of itself: the status byte of its answers, EN 13757-3 (application status).
//!
//! ```text
//! bits 0, 1   00 nothing, 01 the application is busy, 10 it has an error, 11 something is abnormal (a leak, tampering)
//! bit 2       power is low          bit 3  permanent error          bit 4  temporary error
//! bits 5-7    the maker's own: not read
//! ```
//!
//! A register is not believed of a device that is broken or busy. What is abnormal, temporary or low is told; the register counts:
//! half of all published answers carry such a bit.

use crate::protocol::{Content, Protocol, Refused, Telegram};
use crate::reason::{Sentence, sentence};

/// The status byte, where the answer has one. In the fixed structure its two lowest bits say something else.
fn status(telegram: &Telegram) -> Option<u8> {
    if telegram.protocol != Protocol::Mbus {
        return None;
    }
    let find = |what: &str| telegram.records.iter().find(|record| record.what == what);
    let Content::Text(status) = &find("status")?.content else { return None };
    let status = u8::from_str_radix(status, 16).ok()?;
    Some(if find("maker").is_some() { status } else { status & !0x03 })
}

/// Refuses the register of a device that says that it is broken or busy.
pub(in crate::protocol) fn check(telegram: &Telegram) -> Result<(), Refused> {
    let Some(status) = status(telegram) else { return Ok(()) };
    let meaning = match status & 0x03 {
        _ if status & 0x08 != 0 => sentence!("a permanent error", "永久性故障"),
        0x02 => sentence!("an error of its application", "应用程序出错"),
        0x01 => sentence!("that its application is busy", "应用程序忙"),
        _ => return Ok(()),
    };
    Err(Refused::DeviceFault { status, meaning })
}

/// What its operator should look at though the register counts.
pub fn warning(telegram: &Telegram) -> Option<Sentence> {
    let status = status(telegram)?;
    let said = [
        (status & 0x03 == 0x03, sentence!("something abnormal", "异常情况")),
        (status & 0x04 != 0, sentence!("low power", "电量不足")),
        (status & 0x10 != 0, sentence!("a temporary error", "暂时性故障")),
    ];
    let said: Vec<_> = said.into_iter().filter(|(is_said, _)| *is_said).map(|(_, what)| what).collect();
    (!said.is_empty()).then(|| {
        let said = Sentence::joined(&said);
        sentence!("the device reports {said} (status {status:02X})", "设备报告{said}（状态 {status:02X}）")
    })
}

#[cfg(test)]
mod tests {
    use super::super::{decode, long_frame};
    use super::warning;

    /// Ten kilowatt-hours of heat, with a status.
    fn heat(status: u8) -> Vec<u8> {
        let head = [0x08, 0x01, 0x72, 0x78, 0x56, 0x34, 0x12, 0x24, 0x40, 0x01, 0x04, 0x55, status, 0, 0];
        long_frame(&[head.as_slice(), &[0x0c, 0x06, 0x10, 0, 0, 0]].concat())
    }

    #[test]
    fn a_register_counts_only_of_a_device_that_is_neither_broken_nor_busy() {
        for (status, expected) in [
            (0x00, None),
            (0xe0, None),
            (0x03, Some("the device reports something abnormal (status 03)")),
            (0x27, Some("the device reports something abnormal, low power (status 27)")),
            (0x10, Some("the device reports a temporary error (status 10)")),
        ] {
            let telegram = decode(&heat(status)).unwrap();
            assert_eq!(telegram.check_register(), Ok(()), "{status:02X}");
            assert_eq!(warning(&telegram).map(|warning| warning.en).as_deref(), expected);
        }
        for (status, meaning) in [
            (0x01, "that its application is busy"),
            (0x02, "an error of its application"),
            (0x08, "a permanent error"),
            (0x1b, "a permanent error"),
        ] {
            let refused = decode(&heat(status)).unwrap().check_register().unwrap_err();
            assert_eq!(refused.code(), "register/device-fault");
            assert!(refused.to_string().contains(meaning), "{refused}");
        }
    }

    #[test]
    fn in_the_fixed_structure_the_lowest_bits_are_no_error() {
        let answer = |status: u8| {
            let data = [0x1, 0, 0, 0, 9, status, 0x05, 0x69, 0x10, 0x01, 0, 0, 0, 0, 0, 0];
            decode(&long_frame(&[&[0x08, 0x01, 0x73], data.as_slice()].concat())).unwrap()
        };
        assert_eq!(answer(0x01).check_register(), Ok(()));
        assert_eq!(answer(0x08).check_register().unwrap_err().code(), "register/device-fault");
    }
}
