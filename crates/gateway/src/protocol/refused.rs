//! Why a frame is not taken: each refusal with its code and its sentence in both languages.

use super::Protocol;
use crate::number::NumberError;
use crate::reason::{Sentence, sentence};
use std::fmt;

/// Why a frame is not taken. The checks are made in the order of this list, as far as a protocol has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The text is not hexadecimal.
    NotHex {
        /// What stands there.
        reason: Sentence,
    },
    /// The frame is longer than any of its kind.
    Oversize {
        /// Its length.
        bytes: usize,
        /// The most.
        most: usize,
    },
    /// The frame ends early.
    Truncated {
        /// Its length.
        bytes: usize,
        /// The length it needs, as far as it is known.
        needed: usize,
    },
    /// A byte that must be a certain one is another: start, end, or a length that is given twice.
    WrongByte {
        /// What the byte is for.
        what: &'static str,
        /// Its place in the frame, counted from 0.
        place: usize,
        /// What stands there.
        found: u8,
        /// What must.
        expected: u8,
    },
    /// Bytes follow after the frame's end.
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// The checksum does not hold.
    Checksum {
        /// What stands there.
        found: u16,
        /// What must.
        computed: u16,
        /// Bytes of the checksum.
        digits: usize,
    },
    /// The device says that it cannot answer.
    DeviceError {
        /// Its code.
        code: u16,
        /// What it stands for.
        meaning: Sentence,
    },
    /// Another device answers than was asked.
    WrongAddress {
        /// Who was asked.
        expected: Sentence,
        /// Who answers.
        found: Sentence,
    },
    /// The answer is to another question.
    WrongSubject {
        /// What was asked.
        expected: Sentence,
        /// What is answered.
        found: Sentence,
    },
    /// The frame does what this gateway does not read.
    Unknown {
        /// What kind of code.
        what: &'static str,
        /// The code.
        value: u32,
    },
    /// A field has another length than its kind.
    WrongLength {
        /// The field.
        what: String,
        /// Its length.
        bytes: usize,
        /// The right one.
        expected: usize,
    },
    /// A field that is written in decimal digits holds a byte that is none.
    NotDecimal {
        /// The field.
        what: String,
        /// The byte.
        byte: u8,
    },
    /// A field's unit is not one of its kind.
    WrongUnitCode {
        /// The field.
        what: String,
        /// The code.
        code: u8,
    },
    /// The frame reads well with the unit before the value and behind it.
    AmbiguousUnits,
    /// A record's header goes on for ever.
    TooManyExtensions {
        /// The record, counted from 0.
        record: usize,
        /// The most.
        most: usize,
    },
    /// The values are encrypted.
    Encrypted {
        /// How.
        mode: u8,
    },
    /// A field stands twice: which of them is meant, nobody knows.
    FieldTwice {
        /// Its name.
        field: String,
    },
    /// Without a description of the device nothing can be said.
    NeedsProfile {
        /// The protocol.
        protocol: Protocol,
    },
    /// The frame holds no cumulative register, or several.
    NoRegister {
        /// The device.
        address: String,
    },
    /// The device says that it is broken or busy.
    DeviceFault {
        /// Its status.
        status: u8,
        /// What it stands for.
        meaning: Sentence,
    },
    /// The register is there and holds no value.
    Absent {
        /// The register.
        what: String,
    },
    /// The register holds what is no value.
    Invalid {
        /// The register.
        what: String,
        /// Why.
        reason: Sentence,
    },
    /// The number cannot be a register of the carrier.
    Number(NumberError),
}

impl Refused {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotHex { .. } => "frame/not-hex",
            Self::Oversize { .. } => "frame/oversize",
            Self::Truncated { .. } => "frame/truncated",
            Self::WrongByte { .. } => "frame/wrong-byte",
            Self::Trailing { .. } => "frame/trailing",
            Self::Checksum { .. } => "frame/checksum",
            Self::DeviceError { .. } => "frame/device-error",
            Self::WrongAddress { .. } => "frame/wrong-address",
            Self::WrongSubject { .. } => "frame/wrong-subject",
            Self::Unknown { .. } => "frame/unknown",
            Self::WrongLength { .. } => "frame/wrong-length",
            Self::NotDecimal { .. } => "frame/not-decimal",
            Self::WrongUnitCode { .. } => "frame/wrong-unit",
            Self::AmbiguousUnits => "frame/ambiguous-units",
            Self::TooManyExtensions { .. } => "frame/too-many-extensions",
            Self::Encrypted { .. } => "frame/encrypted",
            Self::FieldTwice { .. } => "frame/field-twice",
            Self::NeedsProfile { .. } => "frame/needs-profile",
            Self::NoRegister { .. } => "register/none",
            Self::DeviceFault { .. } => "register/device-fault",
            Self::Absent { .. } => "register/absent",
            Self::Invalid { .. } => "register/invalid",
            Self::Number(NumberError::Negative { .. }) => "register/negative",
            Self::Number(NumberError::TooLarge { .. }) => "register/too-large",
            Self::Number(NumberError::WrongUnit { .. }) => "register/wrong-unit",
            Self::Number(NumberError::NotFinite { .. }) => "register/not-finite",
        }
    }

    /// Why, in a sentence; each refusal has its own, or this does not compile.
    pub fn sentence(&self) -> Sentence {
        let named = |what: &str| Sentence { en: what.into(), zh: in_chinese(what) };
        match self {
            Self::NotHex { reason } => {
                sentence!("the frame is not written in hexadecimal: {reason}", "报文不是十六进制：{reason}")
            }
            Self::Oversize { bytes, most } => sentence!(
                "the frame has {bytes} bytes, the longest of its kind has {most}",
                "报文有 {bytes} 字节，此类报文最长 {most} 字节"
            ),
            Self::Truncated { bytes, needed } => sentence!(
                "the frame ends after {bytes} bytes, it needs {needed}",
                "报文不完整：只有 {bytes} 字节，应有 {needed} 字节"
            ),
            Self::WrongByte { what, place, found, expected } => {
                let what = named(what);
                sentence!(
                    "byte {place} ({what}) is {found:02X}, it must be {expected:02X}",
                    "字节 {place}（{what}）为 {found:02X}，应为 {expected:02X}"
                )
            }
            Self::Trailing { bytes } => {
                sentence!("{bytes} bytes follow after the frame's end", "报文结束之后还有 {bytes} 字节")
            }
            Self::Checksum { found, computed, digits } => {
                let width = digits * 2;
                sentence!(
                    "the checksum is {found:0width$X}, the bytes add up to {computed:0width$X}",
                    "校验和不符：报文中为 {found:0width$X}，计算值为 {computed:0width$X}"
                )
            }
            Self::DeviceError { code, meaning } => {
                sentence!("the device answers with error {code:02X}: {meaning}", "设备应答差错 {code:02X}：{meaning}")
            }
            Self::WrongAddress { expected, found } => {
                sentence!("{found} answers, {expected} was asked", "应答的是 {found}，询问的是 {expected}")
            }
            Self::WrongSubject { expected, found } => {
                sentence!("the answer is to {found}, asked was {expected}", "所问为“{expected}”，所答为“{found}”")
            }
            Self::Unknown { what, value } => {
                let what = named(what);
                sentence!("{what} {value:#04x} is not known", "未知的{what} {value:#04x}")
            }
            Self::WrongLength { what, bytes, expected } => {
                let what = named(what);
                sentence!(
                    "{what} has {bytes} bytes, it must have {expected}",
                    "{what}有 {bytes} 字节，应有 {expected} 字节"
                )
            }
            Self::NotDecimal { what, byte } => {
                let what = named(what);
                sentence!(
                    "{what} is written in decimal digits, and byte {byte:02X} is none",
                    "{what}应为十进制数字，而字节 {byte:02X} 不是"
                )
            }
            Self::WrongUnitCode { what, code } => {
                let what = named(what);
                sentence!(
                    "{what} has the unit code {code:02X}, which does not measure it",
                    "{what}的单位代码为 {code:02X}，与所计量的不符"
                )
            }
            Self::AmbiguousUnits => sentence!(
                "the values can be read with their unit before and behind: the profile must say which",
                "单位在数值之前或之后都说得通：须由设备档案指明"
            ),
            Self::TooManyExtensions { record, most } => sentence!(
                "record {record} has more than {most} extension bytes",
                "记录 {record} 的扩展字节超过 {most} 个"
            ),
            Self::Encrypted { mode } => sentence!(
                "the values are encrypted (mode {mode}): keys of devices are not kept here, switch encryption off or read another \
                 interface",
                "数值已加密（模式 {mode}）：网关不保存设备密钥，请关闭加密或改读其他接口"
            ),
            Self::FieldTwice { field } => sentence!(
                "field {field:?} stands twice in one object: which of them is meant, nobody knows",
                "字段 {field:?} 在同一对象中出现两次：无从得知以哪个为准"
            ),
            Self::NeedsProfile { protocol } => sentence!(
                "what a {protocol} document says stands in a profile: name one",
                "{protocol} 文档的含义由设备档案说明：请指定设备档案"
            ),
            Self::NoRegister { address } => sentence!(
                "the answer of {address} holds no single cumulative register",
                "{address} 的应答中没有唯一的累计表底"
            ),
            Self::DeviceFault { status, meaning } => sentence!(
                "the device reports {meaning} (status {status:02X}): its register is not believed",
                "设备报告{meaning}（状态 {status:02X}）：其表底不可信"
            ),
            Self::Absent { what } => {
                let what = named(what);
                sentence!("{what} is absent: the device has no value", "{what}缺失：设备没有该值")
            }
            Self::Invalid { what, reason } => {
                let what = named(what);
                sentence!("{what} is invalid: {reason}", "{what}无效：{reason}")
            }
            Self::Number(error) => error.sentence(),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sentence().fmt(f)
    }
}

impl std::error::Error for Refused {}

impl From<NumberError> for Refused {
    fn from(error: NumberError) -> Self {
        Self::Number(error)
    }
}

/// What a part of a frame or a document is called. Records and fields have their own names, which are the same in both languages.
fn in_chinese(what: &str) -> String {
    let word = match what {
        "DIF" => " DIF",
        "action" => "动作",
        "address" => "地址",
        "answer" => "应答",
        "clock" => "时钟",
        "control code" => "控制码",
        "control code of an answer" => "应答控制码",
        "control information" => "控制信息（CI）",
        "data" => "数据域",
        "data identifier" => "数据标识",
        "document" => "文档",
        "end" => "结束符",
        "energy" => "电能或热量",
        "error" => "差错应答",
        "fixed structure" => "固定结构",
        "frame" => "报文",
        "function" => "功能码",
        "head" => "数据头",
        "header" => "模型头",
        "id" => "消息标识",
        "kind of meter" => "表计类型",
        "length of a variable value" => "变长值的长度",
        "long frame" => "长帧",
        "medium of the fixed structure" => "固定结构的介质",
        "message" => "消息",
        "model" => "模型",
        "part" => "组成部分",
        "parts" => "组成部分",
        "payload" => "载荷",
        "protocol" => "协议标识",
        "register" => "表底",
        "registers" => "寄存器",
        "second length" => "第二个长度",
        "second start" => "第二个起始符",
        "start" => "起始符",
        "sum" => "合计",
        "time" => "时间",
        "timestamp" => "时间",
        "volume" => "累计体积",
        other => return format!("{other} "),
    };
    word.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::{Bits, NotFinite, Number, Unit};
    use std::path::Path;
    use utilidor_types::Carrier;

    fn is_chinese(text: &str) -> bool {
        text.chars().any(|character| ('\u{4e00}'..='\u{9fff}').contains(&character))
    }

    /// That none is forgotten, the match over them holds; that none is English, this does.
    #[test]
    fn why_a_frame_is_not_taken_is_chinese_and_has_its_values() {
        let named = |text: &str| Sentence::alike(text);
        for (refused, values) in [
            (Refused::NotHex { reason: named("g") }, "g"),
            (Refused::Oversize { bytes: 301, most: 300 }, "301"),
            (Refused::Truncated { bytes: 7, needed: 12 }, "12"),
            (Refused::WrongByte { what: "end", place: 9, found: 0x17, expected: 0x16 }, "结束符）为 17，应为 16"),
            (Refused::Trailing { bytes: 2 }, "2"),
            (Refused::Checksum { found: 0x0a, computed: 0x1b, digits: 1 }, "0A，计算值为 1B"),
            (Refused::DeviceError { code: 2, meaning: named("无此数据") }, "02：无此数据"),
            (Refused::WrongAddress { expected: named("161"), found: named("162") }, "应答的是 162"),
            (Refused::WrongSubject { expected: named("功能码 3"), found: named("功能码 4") }, "功能码 4"),
            (Refused::Unknown { what: "control code", value: 0x91 }, "未知的控制码 0x91"),
            (Refused::WrongLength { what: "volume".into(), bytes: 3, expected: 4 }, "累计体积有 3 字节"),
            (Refused::NotDecimal { what: "register".into(), byte: 0x0e }, "表底应为十进制数字，而字节 0E"),
            (Refused::WrongUnitCode { what: "flow".into(), code: 0x35 }, "flow 的单位代码为 35"),
            (Refused::AmbiguousUnits, "设备档案"),
            (Refused::TooManyExtensions { record: 1, most: 10 }, "10"),
            (Refused::Encrypted { mode: 5 }, "5"),
            (Refused::FieldTwice { field: "ts".into() }, "\"ts\""),
            (Refused::NeedsProfile { protocol: Protocol::Json }, "json"),
            (Refused::NoRegister { address: "161".into() }, "161"),
            (Refused::DeviceFault { status: 8, meaning: named("永久性故障") }, "永久性故障（状态 08）"),
            (Refused::Absent { what: "register".into() }, "表底缺失"),
            (Refused::Invalid { what: "time".into(), reason: named("soon") }, "时间无效：soon"),
            (NumberError::Negative { number: Number::whole(-1) }.into(), "-1"),
            (NumberError::TooLarge { number: Number::whole(9), unit: Unit::KilowattHour }.into(), "9 kWh"),
            (
                NumberError::WrongUnit {
                    unit: Unit::KilowattHour,
                    carrier: Carrier::HotWater,
                    expected: ["m3", "L", "mL"],
                }
                .into(),
                "生活热水",
            ),
            (NumberError::NotFinite { bits: Bits(0x7f80_0000), reason: NotFinite::NoNumber }.into(), "0x7f800000"),
        ] {
            let Sentence { en, zh } = refused.sentence();
            assert!(is_chinese(&zh) && zh.contains(values), "{en}: {zh}");
            assert_eq!(refused.to_string(), en);
        }
    }

    #[test]
    fn each_part_of_a_frame_that_a_decoder_names_has_a_chinese_word() {
        let mut found = 0;
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/protocol")];
        while let Some(folder) = folders.pop() {
            for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]").next().unwrap_or_default();
                let told = text.split("Refused::").skip(1).filter_map(|rest| {
                    rest.split_once("what: \"").filter(|(head, _)| {
                        // Of this refusal, and not of what follows after it.
                        !head.contains(['}', ';', '(', '|'])
                    })
                });
                let named = text.split("expect_byte(\"").skip(1).chain(text.split("invalid(\"").skip(1));
                for what in told.map(|(_, rest)| rest).chain(named).filter_map(|rest| rest.split('"').next()) {
                    found += 1;
                    // Fields of a call have the names that the standard gives them.
                    let is_field = what.chars().any(char::is_uppercase) && !what.contains(' ');
                    assert!(is_field || is_chinese(&in_chinese(what)), "{}: {what:?}", path.display());
                }
            }
        }
        assert!(found > 40, "{found}");
    }
}
