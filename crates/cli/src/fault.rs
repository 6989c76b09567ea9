//! What a program's failure means, by its code, and what to do about it. The codes are defined elsewhere: the SDKs' own
//! (`program-sdk`), the engine's (`program`) and the ledger's (`ledger`); tests hold this table and the guide's to them.

use crate::said;
use crate::sentence::Said;
use utilidor_program::Event;
use utilidor_types::Refusal;
use utilidor_types::program::CLAUSES;

/// A code from here on is the ledger's.
const LEDGER: u16 = 0x8000;

/// A code: what it means, and what to do, in both languages.
struct Meaning {
    code: u16,
    what: [&'static str; 2],
    next: [&'static str; 2],
}

macro_rules! meanings {
    ($($code:literal: $en:literal $zh:literal, $next_en:literal $next_zh:literal;)*) => {
        const MEANINGS: &[Meaning] =
            &[$(Meaning { code: $code, what: [$en, $zh], next: [$next_en, $next_zh] },)*];
    };
}

meanings! {
    1: "a number leaves its range" "数值超出范围",
        "look where the code subtracts or multiplies, and at the size of the parameters"
        "检查代码中的减法和乘法，以及参数的大小";
    2: "the state is not what the program has written" "状态不是程序所写",
        "let it write its state when it is told Signed, and read the same back"
        "程序应在 Signed 事件时写入状态，并按同样的格式读出";
    3: "the event is none that the program takes" "程序不接受该事件",
        "let act() take this event, with Done::default() if there is nothing to do"
        "让 act() 接受该事件；无事可做时返回 Done::default()";
    4: "the parameters or meters are not those that the program reads" "参数或表计与程序所读的不符",
        "compare the sheet with what the code takes: parameters in the manifest's order, no price below zero, each meter's carrier and \"metered\""
        "核对参数表与代码：参数按清单的顺序，价格不得为负，以及各表计的品种和 \"metered\"";
    5: "the input is not what its SDK reads" "SDK 无法读取输入",
        "build it with the SDK of this release: utilidor program new lays it out"
        "请用本版本的 SDK 构建：utilidor program new 会生成";
    6: "a command that the program does not know, or that this party may not give" "程序不认识该指令，或该方无权下达",
        "see its commands in its clauses: utilidor program show PROGRAM"
        "指令见其条款：utilidor program show PROGRAM";
    28673: "it trapped" "程序陷入（trap）",
        "look for a panic, an index beyond a list, a division by zero, a deep recursion, or more than 16 pages of memory"
        "检查是否有 panic、越界、除以零、过深的递归，或内存超过 16 页";
    28674: "it used more fuel than an event has" "耗用超过一次事件的上限",
        "look for a loop that does not end or grows with time"
        "检查是否有不结束或随时间变长的循环";
    28675: "its answer is none" "其应答不成立",
        "answer with the SDK's types, and with codes below 28672 of its own"
        "请用 SDK 的类型应答，自己的代码须小于 28672";
    28676: "it asked for what its terms do not let it reach: a party, a meter, or more to be reserved or owed than was granted"
        "要求超出其条款所许可的范围：当事方、表计，或超过所授权的冻结或欠款",
        "raise reserve or allowance in the sheet, let it owe no more than can_owe, or see which party or meter it names"
        "提高参数表中的 reserve 或 allowance，欠款不超过 can_owe，或检查其所指的当事方或表计";
    28677: "a statement's lines are not what the same answer moves" "账单各行与同一应答的资金流动不符",
        "let the lines between each two parties come to what is paid and owed between them"
        "每两方之间各行之和须等于其间支付与欠款之和";
    28678: "its code or input was not at hand" "代码或输入不可得",
        "let it keep less in its state; if it stays so, ask the node's operator"
        "让程序少存状态；若仍如此，请询问节点的运营方";
    28679: "a line's price is for a unit in which its carrier is not measured" "账单行的价格单位与其能源品种不符",
        "price energy for kWh or GJ, volumes for m3: read.price(PriceUnit::..) and the line's carrier go together"
        "能量按 kWh 或 GJ 计价，体积按 m3 计价：read.price(PriceUnit::..) 须与账单行的品种相符";
    32768: "a rule of the ledger forbids it: a meter that is busy, money that is not there" "账本规则不允许：表计被占用，资金不足",
        "see that its parties have the money and its meters are free: utilidor account show, utilidor meter show"
        "核对各方是否有足够资金、表计是否空闲：utilidor account show、utilidor meter show";
    32769: "more effects than a step may have" "一步的结果过多",
        "do less at once: 128 effects" "一次少做一些：至多 128 项";
    32770: "a head or slot that is too long, or has no such number" "状态头或槽过长，或没有该编号",
        "keep the head within 1,024 bytes, a slot within 4,096" "状态头不超过 1,024 字节，槽不超过 4,096 字节";
    32771: "a party that the agreement does not have" "合约没有该当事方",
        "see its parties: utilidor agreement show AGREEMENT" "查看当事方：utilidor agreement show AGREEMENT";
    32772: "more than is reserved, or than is owed" "超过所冻结或所欠的数额",
        "let it release and pay no more than facts.pots hold" "退还和支付不得超过 facts.pots 所存";
    32773: "more than the allowance gives" "超过扣款上限",
        "let it take no more than facts.available, or raise the allowance in the sheet"
        "所取不得超过 facts.available，或提高参数表中的 allowance";
    32774: "a movement that no program can ask for" "程序不能要求的资金流动",
        "pay from an allowance or from what is reserved" "请从扣款上限或所冻结的款项支付";
    32775: "a time that is past, or beyond the calendar" "时间已过，或超出日历",
        "schedule what is later than facts.now" "安排的时间须晚于 facts.now";
    32776: "more lines or statements than there may be" "账单行或账单过多",
        "put several lines into one" "请把几行合为一行";
    32777: "a window that cannot be sold" "时段不能出售",
        "let what fills have whole hours, a month at most" "按量交付的时段须为整小时，至多一个月";
    32778: "more capacity given back than was sold" "退回的容量超过所售",
        "bind a meter before it is let go of" "先绑定表计再释放";
    32779: "a meter that is bound already, or is not, or that keeps more than it took or bought" "表计已绑定、未绑定，或保留的多于所取或所购",
        "bind each meter once, and keep no more than it filled" "每块表计只绑定一次，保留不超过已交付的量";
    32780: "an end while something is reserved" "仍有冻结款项时结束",
        "release everything before Finish" "在 Finish 之前退还全部款项";
    32781: "it has failed before, and what it missed then comes first" "程序此前失败过，须先补做",
        "wait: it is tried again an hour later" "请等待：一小时后重试";
    32782: "programs have used so much at once, or on this day, that it is told later" "程序一次或当日耗用过多，稍后再通知",
        "wait; a contract that calls itself again and again: schedule less often" "请等待；若合约不断唤起自身，请减少次数";
    32783: "more than a party lets it reserve, counting what others were given of it" "超过一方许可的冻结额（含已付给他人的部分）",
        "raise reserve in the sheet" "提高参数表中的 reserve";
    32784: "it needs more than a block may read or do: it is told or called later" "所需超过一个区块所能读写的量：稍后再通知",
        "wait: it is tried again an hour later" "请等待：一小时后重试";
}

fn find(code: u16) -> Option<&'static Meaning> {
    MEANINGS.binary_search_by_key(&code, |meaning| meaning.code).ok().map(|place| &MEANINGS[place])
}

/// A code and what it means.
pub fn told(code: u16) -> Said {
    match find(code) {
        // A program that does not use an SDK numbers its failures as it likes.
        Some(Meaning { what: [en, zh], .. }) if code < utilidor_program::wasm::ENGINE_CODES => {
            said!("code {code}, in the SDKs: {en}", "代码 {code}，SDK 中的含义：{zh}")
        }
        Some(Meaning { what: [en, zh], .. }) => said!("code {code}: {en}", "代码 {code}：{zh}"),
        None => said!("code {code}, a number of its own", "代码 {code}，程序自定"),
    }
}

/// What to do about a code.
pub fn next(code: u16) -> Said {
    match find(code) {
        Some(Meaning { next: [en, zh], .. }) => said!("{en}", "{zh}"),
        None => said!(
            "its sources or its authors say what {code} means; see what it is: utilidor program show PROGRAM",
            "其含义见源码或询问其作者；查看程序：utilidor program show PROGRAM"
        ),
    }
}

/// What to do about a refusal of a program, if it is one.
pub fn next_of(refusal: &Refusal) -> Option<Said> {
    match *refusal {
        Refusal::ProgramFault { code } | Refusal::UnfitEffect { code } => Some(next(code)),
        Refusal::BadTerms { code: CLAUSES } => Some(said!(
            "play them, which says what does not fit: utilidor program simulate x.clauses --sheet parties.json",
            "试算会指出不符之处：utilidor program simulate x.clauses --sheet parties.json"
        )),
        _ => None,
    }
}

/// Why a play failed at an event, and what to do about it. The play has one code for all that the ledger could not carry out.
pub fn in_play(code: u16) -> (Said, Said) {
    if code != LEDGER {
        return (told(code), next(code));
    }
    let told = said!(
        "code {code}: it asked for what it cannot have, such as more than is reserved, allowed or granted, a time that is past, or a \
         meter that is bound",
        "代码 {code}：要求了不能得到的结果，如超过所冻结、所许可或所授权的数额，时间已过，或表计已绑定"
    );
    let next = said!(
        "hold what it asks for against facts.pots, facts.available and the grants of the sheet; schedule later than facts.now, and bind \
         a meter once",
        "将其所要求的与 facts.pots、facts.available 及参数表的授权相比；安排的时间须晚于 facts.now，表计只绑定一次"
    );
    (told, next)
}

/// An event, for who reads at which a program failed: its name in the SDK, and the meter or party.
pub fn event(event: &Event) -> Said {
    let meter = |name: &str, number: u8| said!("{name} of meter {number}", "表计 {number} 的 {name}");
    let party = |name: &str, number: u8| said!("{name} of party {number}", "当事方 {number} 的 {name}");
    match event {
        Event::Signed => said!("Signed", "Signed（全部签署）"),
        Event::Segment { binding, .. } => meter("Segment", *binding),
        Event::Returned { binding, .. } => meter("Returned", *binding),
        Event::Level { binding, .. } => meter("Level", *binding),
        Event::Corrected { binding, .. } => meter("Corrected", *binding),
        Event::Due => said!("Due", "Due（到时）"),
        Event::Prepaid { .. } => said!("Prepaid", "Prepaid（预付）"),
        Event::Command { by, .. } => party("Command", by.0),
        Event::Amended { .. } => said!("Amended", "Amended（变更）"),
        Event::Ending { by: Some(by), .. } => party("Ending", by.0),
        Event::Ending { by: None, .. } => said!("Ending", "Ending（终止）"),
        Event::EndingWithdrawn { by } => party("EndingWithdrawn", by.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Lang;
    use utilidor_program::{Fault, wasm};

    #[test]
    fn every_code_stands_once_and_the_guide_says_the_same() {
        assert!(MEANINGS.windows(2).all(|pair| pair[0].code < pair[1].code));
        let guide = include_str!("../../../docs/guide/own-contract.md");
        let row = |meaning: &Meaning| format!("| {} | {} |", meaning.code, meaning.what[0]);
        for meaning in MEANINGS {
            assert!(guide.contains(&row(meaning)), "{}", row(meaning));
        }
        let is_row = |line: &&str| {
            line.strip_prefix("| ").is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
        };
        let codes = guide.lines().filter(is_row).filter_map(|line| line.split('|').nth(1)?.trim().parse::<u16>().ok());
        assert!(codes.clone().all(|code| find(code).is_some()), "{:?}", codes.collect::<Vec<_>>());
    }

    /// The numbers after a sign on each line that has it.
    fn numbers(source: &str, before: &str, name: &str) -> Vec<(String, u16)> {
        let of = |line: &str| {
            let (constant, rest) = line.trim().strip_prefix(name)?.split_once(before)?;
            Some((constant.to_owned(), rest.trim_end_matches([')', ';']).parse().ok()?))
        };
        source.lines().filter_map(of).collect()
    }

    #[test]
    fn the_codes_are_those_of_the_sdks_the_engine_and_the_ledger() {
        let rust = include_str!("../../program-sdk/src/wire.rs").split("impl Fault {").nth(1).unwrap();
        let rust = numbers(rust.split("\n}").next().unwrap(), ": Self = Self(", "pub const ");
        let script = include_str!("../../../sdk/assemblyscript/assembly/wire.ts");
        assert_eq!(rust, numbers(script, ": u16 = ", "export const FAULT_"));
        let own = MEANINGS.iter().map(|meaning| meaning.code).filter(|code| *code < wasm::ENGINE_CODES);
        assert_eq!(rust.iter().map(|(_, code)| *code).collect::<Vec<_>>(), own.collect::<Vec<_>>());
        let engine = [
            wasm::TRAPPED,
            wasm::OUT_OF_FUEL,
            wasm::BAD_ANSWER,
            wasm::OUT_OF_REACH,
            wasm::UNBALANCED,
            wasm::UNTOLD,
            wasm::WRONG_UNIT,
        ];
        for fault in engine {
            assert!(matches!(fault, Fault::Failed(code) if find(code).is_some()), "{fault}");
        }
        let ledger = include_str!("../../ledger/src/effect.rs").split("enum Unfit {").nth(1).unwrap();
        let ledger = ledger.split("\n}").next().unwrap().lines().map(str::trim).filter(|line| line.ends_with(','));
        let ledger: Vec<&str> =
            ledger.map(|line| line.trim_end_matches(',').trim_end_matches(" = LEDGER_CODES")).collect();
        // What each means stands beside it: in this order the ledger counts them.
        let meant = [
            "Refused",
            "Effects",
            "State",
            "Party",
            "Pot",
            "Allowance",
            "Movement",
            "Time",
            "Lines",
            "Window",
            "Capacity",
            "Binding",
            "Status",
            "Waiting",
            "Fuel",
            "Reserve",
            "Records",
        ];
        assert_eq!(ledger, meant);
        let codes = MEANINGS.iter().map(|meaning| meaning.code).filter(|code| *code >= LEDGER);
        assert!(codes.eq((LEDGER..).take(meant.len())));
    }

    #[test]
    fn a_failure_says_what_its_code_means_and_what_to_do() {
        assert_eq!(told(3).text(Lang::En), "code 3, in the SDKs: the event is none that the program takes");
        assert_eq!(told(28674).text(Lang::Zh), "代码 28674：耗用超过一次事件的上限");
        assert_eq!(told(77).text(Lang::En), "code 77, a number of its own");
        assert!(next(77).text(Lang::En).contains("utilidor program show"));
        assert!(next(28674).text(Lang::En).contains("loop"));
        let (told, next) = in_play(LEDGER);
        assert!(told.text(Lang::En).contains("more than is reserved") && next.text(Lang::En).contains("facts.pots"));
        assert_eq!(in_play(3), (super::told(3), super::next(3)));
    }
}
