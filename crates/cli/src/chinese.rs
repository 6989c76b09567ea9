//! What the ledger and the node refuse, in Chinese: by its stable code, with the values that were compared.

use crate::fault;
use crate::said;
use crate::sentence::Said;
use crate::text::{Lang, text};
use crate::units;
use crate::vocabulary::{Spoken, spoken};
use serde_json::Value;
use utilidor_types::agreement::Status;
use utilidor_types::program::CLAUSES;
use utilidor_types::{Carrier, Quantity, Refusal, Role};
use utilidor_view::Problem;

/// Refusals by code; names in braces are the refusal's own fields.
const REFUSALS: &[(&str, &str)] = &[
    ("account/exists", "账户 {account} 已开立"),
    ("account/unknown", "没有开立账户 {account}"),
    ("account/wrong-member", "新账户是为成员 {signed} 签署的，应为 {expected}"),
    ("agreement/already-ending", "合约已定于 {at} 终止"),
    ("agreement/already-signed", "本方已签署合约 {agreement}"),
    ("agreement/amendment-kind", "变更不能改换程序的种类"),
    ("agreement/bad-amendment-time", "变更不能自 {from} 起生效"),
    ("agreement/no-amendment", "合约 {agreement} 没有待签的变更"),
    ("agreement/not-ending", "合约 {agreement} 没有可撤回的终止请求"),
    ("agreement/not-party", "本账户不是合约 {agreement} 的当事方"),
    ("agreement/signing-over", "签署期限为 {sign_by}，现在是 {now}"),
    ("agreement/unknown", "没有合约 {agreement}"),
    ("agreement/wrong-program", "合约的程序不接受此操作"),
    ("agreement/wrong-status", "合约状态为 {status}"),
    ("agreement/wrong-terms", "签名对应条款 {signed}，合约的条款是 {expected}"),
    ("arithmetic/overflow", "和、积或时间超出取值范围"),
    ("award/above-lot", "授标 {carrier} {wanted}，标的只剩 {left}"),
    ("capacity/exceeded", "自 {hour} 起的一小时内已售 {sold}，再售 {wanted} 将超过容量 {capacity}（J 或 mL）"),
    ("capacity/none", "没有申报 {carrier} 的容量"),
    ("council/empty", "理事会将没有任何成员"),
    ("council/full", "理事会的 {seats} 个席位已满"),
    ("council/not-a-member", "成员 {member} 在理事会中没有席位"),
    ("debt/above", "要付 {amount}，欠款为 {owed}"),
    ("id/taken", "该标识已被占用"),
    ("index/bad-period", "从 {from} 到 {to} 的期间不是整刻钟，或长于 {max_days} 天"),
    ("index/not-in-order", "期间始于 {from}，而指数值已发布至 {last}"),
    ("index/out-of-range", "该值超过 {max_micro} 百万分之一"),
    ("index/too-many", "成员已有 {max} 个指数"),
    ("index/value-kept", "始于 {from} 的期间的指数值须保留至 {until}，此值会取代它"),
    ("member/limit-reached", "成员已有 {max} 项（{what}），达到上限"),
    ("member/missing-role", "账户的成员没有 {role} 角色"),
    ("member/removed", "成员 {member} 已被移出联盟"),
    ("member/unknown", "没有成员 {member}"),
    ("meter/bad-correction", "更正的时段不在表计 {meter} 最近读数之前，或没有改动"),
    ("meter/busy", "表计 {meter} 已服务于 {max} 份合约"),
    ("meter/capacity-too-large", "每小时容量 {capacity} 超过 {max}（J 或 mL）"),
    ("meter/carrier", "表计 {meter} 不计量 {carrier}"),
    ("meter/correction-out-of-range", "更正后的数量不可能流过表计 {meter}"),
    ("meter/holder", "表计 {meter} 绑定于另一账户"),
    ("meter/in-future", "表计将自 {since} 启用，现在是 {now}"),
    ("meter/in-use", "表计 {meter} 正服务于合约"),
    ("meter/not-handed-over", "表计 {meter} 没有移交给此账户"),
    ("meter/not-operator", "表计 {meter} 由另一运营方登记"),
    ("meter/retired", "表计 {meter} 已停用"),
    ("meter/same-operator", "表计须移交给另一运营方"),
    ("meter/subscribed", "表计 {meter} 正服务于订阅 {subscription}"),
    ("meter/unknown", "没有登记表计 {meter}"),
    ("meter/without-range", "表计 {meter} 没有表底位数或容量"),
    ("money/insufficient-funds", "账户 {account} 的可用余额少于所需的 {needed}"),
    ("money/zero-amount", "金额为零"),
    ("motion/bad-time", "议案的开放时间须在 1 至 {max_ms} 毫秒之间，而不是 {open_ms}"),
    ("motion/differs", "议案 {motion} 的摘要是 {digest}，表决针对的是另一摘要"),
    ("motion/unknown", "没有开放的议案 {motion}"),
    ("offer/bad-lapse", "要约将于 {lapses} 失效，报价截止于 {gate}，交付自 {from} 开始"),
    ("offer/gate-after-delivery", "报价截止于 {gate}，交付自 {from} 开始"),
    ("offer/gate-closed", "报价已于 {gate} 截止，现在是 {now}"),
    ("offer/gate-in-past", "报价将截止于 {gate}，现在是 {now}"),
    ("offer/gate-open", "报价截止于 {gate}，现在是 {now}"),
    ("offer/lapsed", "要约已于 {lapsed} 失效，现在是 {now}"),
    ("offer/not-owner", "要约 {offer} 属于另一账户"),
    ("offer/too-many-bidders", "已有 {max} 个报价方"),
    ("offer/unknown", "没有要约 {offer}"),
    ("package/bad-charge", "附加费 {charge} 没有名称、没有价格或价格过高，或对非功率品种收取需量费"),
    ("package/bad-notice", "预告期 {days} 天不在 1 至 {max} 之间"),
    ("package/bad-offset", "没有地方与 UTC 相差 {offset_minutes} 分钟"),
    ("package/bad-season", "{carrier} 的供应季不是一年中的一段"),
    ("package/bad-time-of-use", "{carrier} 的分时日历有不可能的时段或系数"),
    ("package/closed", "套餐 {package} 的版本 {version} 已停止订阅"),
    ("package/no-options", "套餐没有计费方式"),
    ("package/no-such-option", "套餐没有 {carrier} 的方案 {option}"),
    ("package/not-owner", "套餐 {package} 属于另一账户"),
    ("package/steps-not-rising", "{carrier} 的阶梯在金额和折扣上没有递增"),
    ("package/too-many-options", "{carrier} 的方案多于 {max} 个"),
    ("package/unknown", "没有套餐 {package} 的版本 {version}"),
    ("package/version-order", "发布的是版本 {version}，下一个应为 {expected}"),
    ("package/zero-price", "{carrier} 的单价为零"),
    ("prepayment/above-at-most", "该期间费用为 {amount}，最多愿付 {at_most}"),
    ("prepayment/buys-nothing", "这笔预付买不到任何东西"),
    ("prepayment/kind", "这种预付方式不适用于 {carrier} 的计费方式"),
    ("prepayment/too-many-tranches", "已有 {max} 个未用完的预付批次"),
    ("program/bad-code", "{rule}：有 {found}，允许 {allowed}"),
    ("program/bad-reach", "某项授权或表计重复、不属于任何当事方，或没有时间或数量"),
    ("program/bad-terms", "程序不接受其条款（代码 {code}）"),
    ("program/fault", "程序失败，代码 {code}"),
    ("program/fuel-spent", "供能方的合约今日已耗用 {used}，最多允许 {max}"),
    ("program/manifest-too-long", "清单有 {bytes} 字节，最多允许 {max}"),
    ("program/unfit-effect", "程序要求了它不能得到的结果（代码 {code}）"),
    ("program/unknown", "没有程序 {code}"),
    ("program/unknown-engine", "没有引擎 {engine}，最新的是 {last}"),
    ("program/unknown-publication", "没有已发布的程序 {program}"),
    ("quote/awarded", "{bidder} 的报价已经授标"),
    ("quote/bad-opening", "{bidder} 的报价开启内容与承诺不符"),
    ("quote/line-count", "报价有 {lines} 行，要约有 {lots} 个标的"),
    ("quote/other-offer", "报价针对的要约摘要为 {quoted}，而该标签下现发布的是 {published}；请重新阅读后再报价"),
    ("quote/own-offer", "这是报价方自己的要约"),
    ("quote/sealed-size", "密封报价有 {bytes} 字节，此要约的报价均为 {expected} 字节"),
    ("quote/unknown", "{bidder} 对要约 {offer} 没有报价"),
    ("reading/beyond-capacity", "流过 {quantity}，这段时间最多 {most}（J 或 mL）"),
    ("reading/device-of-another", "此设备和寄存器的记录已计入表计 {other}，不能再计入其他表计"),
    ("reading/empty-run", "表计 {meter} 的一组读数是空的"),
    ("reading/from-future", "读数时间为 {time}，现在是 {now}"),
    ("reading/not-authority", "签名者无权为表计 {meter} 签名"),
    ("reading/other-device", "记录来自另一台设备或另一个寄存器，与表计 {meter} 以前的记录不同"),
    ("reading/out-of-order", "读数时间为 {time}，上一读数为 {last}"),
    ("reading/record-of-energy", "记录计量的是能量，表计 {meter} 计量 {carrier}"),
    ("reading/register-too-wide", "表底为 {register}，而它在 {modulus} 归零（J 或 mL）"),
    ("reading/replayed", "{time} 的读数已经认证"),
    ("reading/went-back", "表底由 {last} 退回到 {register}（J 或 mL）"),
    ("subscription/needs-area", "{carrier} 的计费方式需要建筑面积"),
    ("subscription/needs-meter", "{carrier} 的计费方式需要表计"),
    ("subscription/no-services", "订阅不含任何服务"),
    ("subscription/no-such-service", "订阅不含 {carrier} 服务"),
    ("terms/bad-hard-end", "最迟终止时间已过，或份额之和不是 1,000"),
    ("terms/bad-parties", "程序不接受这些当事方"),
    ("terms/delivery-begun", "交付自 {from} 开始，现在是 {now}"),
    ("terms/duplicate-carrier", "{carrier} 出现在两个标的中"),
    ("terms/no-lots", "没有标的"),
    ("terms/price-too-high", "{carrier} 的单价超过 {max}"),
    ("terms/price-unit", "{carrier} 不按此单位计价"),
    ("terms/rate-too-high", "千分之 {permille} 超过允许的 {max}"),
    ("terms/self-dealing", "供能方与用能方是同一账户"),
    ("terms/unmetered", "没有表计能证明 {carrier} 的交付"),
    ("terms/window-not-whole-hours", "{from} 至 {to} 的时段不是整小时"),
    ("terms/window-too-long", "时段有 {hours} 小时，最多 {max} 小时"),
    ("terms/zero-quantity", "{carrier}的数量为零"),
    ("transaction/nothing-asked", "请求的列表是空的"),
    ("transaction/too-much-work", "工作量超过一个区块的上限"),
    ("validator/fixed", "本链的验证方不会改变：其创世文件没有纪元"),
    ("validator/key-kind", "验证方的密钥须为 Ed25519 密钥"),
    ("validator/key-taken", "密钥 {key} 属于另一验证方"),
    ("validator/last", "本链将没有验证方"),
    ("validator/many-for-epoch", "本链一个纪元内至多 {most} 个验证节点能表明在线"),
    ("validator/needs-address", "有多个验证方时，每个都需要地址"),
    ("validator/none", "成员 {member} 没有验证方"),
    ("validator/not-of-this-epoch", "节点的证明属于纪元 {epoch} 或另一条链，现在是纪元 {now}"),
    ("validator/unknown", "没有任命密钥为 {key} 的验证方"),
];

/// Problems by code.
const PROBLEMS: &[(&str, &str)] = &[
    ("access/bad-sign-in", "登录未能证明密钥"),
    ("access/bad-token", "令牌不是本节点的，或已失效"),
    ("access/log-moved", "请求没有接在监管日志的最后一条之后"),
    ("access/missing-role", "账户的成员没有所需角色"),
    ("access/mixed-evidence", "证明会同时显示他人的内容"),
    ("access/not-signed-in", "此内容不对所有人公开：请先登录"),
    ("access/out-of-scope", "令牌不适用于此内容"),
    ("access/too-many-tokens", "账户的令牌数已达上限"),
    ("development/not-a-development-chain", "只有开发链的时间可以推进"),
    ("development/not-the-operator", "只有链的运营方可以推进时间"),
    ("development/time-in-past", "时间只能向前"),
    ("node/internal", "节点未能作答"),
    ("node/not-held", "本节点不保存所需的区块"),
    ("node/stopping", "节点正在停止"),
    ("node/timeout", "作答超时"),
    ("node/too-many-clients", "正在服务的客户端已达上限"),
    ("not-found", "链上没有此内容"),
    ("pool/displaced", "交易等待更早的序号，已让位于其他交易"),
    ("pool/duplicate-nonce", "账户已有同一序号的交易在等待"),
    ("pool/full", "待处理池已满，请稍后再试"),
    ("pool/member-full", "成员等待中的交易已达上限"),
    ("pool/nonce-too-old", "账户已用过该序号"),
    ("pool/share-used", "成员本小时的份额已用完"),
    ("pool/too-far-ahead", "成员有过多交易在等待更早的序号"),
    ("request/bad-page", "游标或条数不属于此列表"),
    ("request/foreign-origin", "其他网站的页面不能使用本节点"),
    ("request/malformed", "请求不符合此接口的要求"),
    ("request/media-type", "无法识别内容类型"),
    ("request/too-large", "请求内容过长"),
    ("request/too-many-transactions", "请求中的交易过多"),
    ("request/too-slow", "请求内容到达过慢"),
    ("request/unknown-host", "本节点不使用此名称"),
    ("request/wait-too-long", "等待时间超过上限"),
    ("route/method", "此接口不接受该方法"),
    ("route/unknown", "没有此接口"),
    ("transaction/bad-account-signature", "签名不是新账户密钥的签名"),
    ("transaction/bad-meter-record", "某段读数的记录不属于其表计"),
    ("transaction/bad-meter-signature", "读数签名不是该表计的签名"),
    ("transaction/bad-node-signature", "签名不是节点密钥所签"),
    ("transaction/bad-signature", "签名不是签名者的签名"),
    ("transaction/expired", "交易的最后高度已过，或过于靠后"),
    ("transaction/malformed", "这些字节不是交易"),
    ("transaction/oversize", "交易过长"),
    ("transaction/too-many-readings", "一批读数过多"),
    ("transaction/unknown-account", "签名者的账户未开立"),
    ("transaction/wrong-chain", "交易属于另一条链"),
    ("transaction/wrong-nonce", "账户的序号已超过交易的序号"),
];

fn find(table: &'static [(&str, &str)], code: &str) -> Option<&'static str> {
    table.binary_search_by(|(known, _)| (*known).cmp(code)).ok().map(|place| table[place].1)
}

/// A refusal's sentence, where quantities are of a carrier that is known: the ledger's own sentence has them in base units.
pub fn refusal_of(refusal: &Refusal, carrier: Option<Carrier>) -> Said {
    let shown = |quantity: Quantity| carrier.map(|carrier| units::quantity(quantity, carrier));
    let told = match *refusal {
        Refusal::RegisterTooWide { register, modulus } => {
            shown(register).zip(shown(modulus)).map(|(register, modulus)| {
                said!(
                    "the register shows {register}, it starts again at {modulus}",
                    "表底为 {register}，而它在 {modulus} 归零"
                )
            })
        }
        Refusal::WentBack { last, register } => shown(last).zip(shown(register)).map(|(last, register)| {
            said!("the register went back from {last} to {register}", "表底由 {last} 退回到 {register}")
        }),
        Refusal::BeyondCapacity { quantity, most } => shown(quantity).zip(shown(most)).map(|(quantity, most)| {
            said!("{quantity} passed, at most {most} can in this time", "流过 {quantity}，这段时间最多 {most}")
        }),
        Refusal::CapacityTooLarge { capacity, max } => shown(capacity).zip(shown(max)).map(|(capacity, max)| {
            said!("a capacity of {capacity} an hour exceeds {max}", "每小时容量 {capacity} 超过 {max}")
        }),
        _ => None,
    };
    told.unwrap_or_else(|| self::refusal(refusal))
}

/// A refusal's sentence.
pub fn refusal(refusal: &Refusal) -> Said {
    if let Refusal::AboveLot { carrier, wanted, left } = *refusal {
        let (wanted, left) = (units::quantity(wanted, carrier), units::quantity(left, carrier));
        let carrier = spoken(carrier);
        return said!(
            "{wanted} of {carrier} are awarded, {left} are left in the lot",
            "授标 {carrier} {wanted}，标的只剩 {left}"
        );
    }
    match *refusal {
        Refusal::ProgramFault { code } => {
            return said!("the program failed with {}", "程序失败，{}", fault::told(code));
        }
        Refusal::UnfitEffect { code } => {
            return said!(
                "the program asks for something that it cannot have, {}",
                "程序要求了它不能得到的结果，{}",
                fault::told(code)
            );
        }
        Refusal::BadTerms { code: CLAUSES } => {
            return said!(
                "the terms do not fit their clause sheet: two parties, its meters with all that they bring over all periods, what it \
                 reserves within the grants, a hard end after the last settlement",
                "条款与其条款单不符：须有两个当事方；其各表计在全部期间的全部用量；冻结不超过授权；最迟终止在最后一次结算之后"
            );
        }
        _ => {}
    }
    let chinese = chinese(refusal);
    said!("{refusal}", "{chinese}")
}

fn chinese(refusal: &Refusal) -> String {
    let Some(sentence) = find(REFUSALS, refusal.code()) else { return refusal.to_string() };
    let Ok(Value::Object(fields)) = serde_json::to_value(refusal) else { return sentence.into() };
    fields.iter().fold(sentence.to_owned(), |sentence, (name, value)| {
        let shown = match value {
            Value::String(text) => called(name, text).map_or_else(|| text.clone(), Into::into),
            // Fields of times are numbers: all other numbers are counts.
            Value::Number(number) => match number.as_u64().filter(|number| *number > 1_000_000_000_000) {
                Some(ms) => utilidor_types::Timestamp(ms).to_string(),
                None => number.to_string(),
            },
            other => other.to_string(),
        };
        sentence.replace(&format!("{{{name}}}"), &shown)
    })
}

/// What a field's name stands for in Chinese, if it has a word.
fn called(field: &str, name: &str) -> Option<&'static str> {
    let word = match field {
        "carrier" => name.parse::<Carrier>().ok()?.word(),
        "role" => name.parse::<Role>().ok()?.word(),
        "status" => Status::ALL.into_iter().find(|status| status.name() == name)?.word(),
        _ => return None,
    };
    Some(text(word.0, Lang::Zh))
}

/// A problem's sentence: what it means, and what the node says of it.
pub fn problem(problem: &Problem) -> Said {
    match find(PROBLEMS, &problem.code) {
        Some(sentence) if problem.detail.is_empty() => said!("{problem}", "{sentence}"),
        Some(sentence) => {
            let detail = &problem.detail;
            said!("{problem}", "{sentence}（{detail}）")
        }
        None => said!("{problem}", "{problem}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use utilidor_view::problem::Code;

    #[test]
    fn every_code_has_a_chinese_sentence_and_stands_once() {
        for table in [REFUSALS, PROBLEMS] {
            for pair in table.windows(2) {
                assert!(pair[0].0 < pair[1].0, "{} before {}", pair[0].0, pair[1].0);
            }
        }
        for (code, _) in Refusal::REFERENCE {
            assert!(find(REFUSALS, code).is_some(), "{code}");
        }
        for (code, ..) in Code::REFERENCE {
            assert!(find(PROBLEMS, code).is_some(), "{code}");
        }
        assert_eq!(REFUSALS.len(), Refusal::REFERENCE.len());
        assert_eq!(PROBLEMS.len(), Code::REFERENCE.len());
    }

    #[test]
    fn a_refusal_tells_its_values() {
        let (gate, now) = (utilidor_types::Timestamp(1_735_660_800_000), utilidor_types::Timestamp(1_735_664_400_000));
        let told = |refusal: &Refusal, lang| super::refusal(refusal).text(lang).to_owned();
        let said = told(&Refusal::GateOpen { gate, now }, Lang::Zh);
        assert_eq!(said, "报价截止于 2024-12-31T16:00:00.000Z，现在是 2024-12-31T17:00:00.000Z");
        let zero = told(&Refusal::ZeroAmount, Lang::Zh);
        assert_eq!((zero.as_str(), told(&Refusal::ZeroAmount, Lang::En)), ("金额为零", "the amount is zero".into()));
        let none = Refusal::ZeroQuantity { carrier: Carrier::Heating };
        assert_eq!(told(&none, Lang::Zh), "供热的数量为零");
    }

    #[test]
    fn a_quantity_is_told_in_the_unit_that_people_read_where_its_carrier_is_known() {
        let back = Refusal::WentBack { last: Quantity(144_000_000), register: Quantity(108_000_000) };
        let told = |carrier, lang| refusal_of(&back, carrier).text(lang).to_owned();
        assert_eq!(told(Some(Carrier::Electricity), Lang::En), "the register went back from 40.000 kWh to 30.000 kWh");
        assert_eq!(told(Some(Carrier::Electricity), Lang::Zh), "表底由 40.000 kWh 退回到 30.000 kWh");
        assert_eq!(told(None, Lang::En), back.to_string());
        assert!(told(None, Lang::En).ends_with("to 108000000 (J or mL)"), "a bare number has no unit");
        assert!(told(None, Lang::Zh).ends_with("108000000（J 或 mL）"));
        let capacity = Refusal::CapacityTooLarge { capacity: Quantity(7_200_000), max: Quantity(3_600_000) };
        let told = refusal_of(&capacity, Some(Carrier::Cooling));
        assert_eq!(told.text(Lang::En), "a capacity of 2.000 kWh an hour exceeds 1.000 kWh");
    }
}
