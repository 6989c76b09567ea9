//! The configuration's virtual meters: `[[virtual]]`.

use super::meter::no_id;
use super::{ConfigError, Meter, UnitAddress, VIRTUAL_BUS};
use crate::computed::Formula;
use crate::kept;
use crate::profile::{Profile, Ratio, Register, Side};
use crate::protocol::computed::{MAX_PARTS, Sign};
use crate::reason::{reason, sentence};
use serde::Deserialize;
use std::sync::Arc;
use utilidor_types::MeterId;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenVirtual {
    id: String,
    plus: Vec<String>,
    #[serde(default)]
    minus: Vec<String>,
}

/// Reads a virtual meter; its parts are among those that `find` finds, which stand before it.
pub(super) fn read<'a>(
    place: usize,
    written: &WrittenVirtual,
    find: impl Fn(&MeterId) -> Option<&'a Meter>,
) -> Result<Meter, ConfigError> {
    let value = |field: &str, reason| ConfigError::Value { place: format!("virtual[{place}].{field}"), reason };
    let meter = |field: &str, text: &str| text.parse::<MeterId>().map_err(|_| value(field, no_id(text)));
    let id = meter("id", &written.id)?;
    if find(&id).is_some() {
        return Err(value("id", reason!("meter {id} stands before", "表计 {id} 已在前面出现")));
    }
    if written.plus.is_empty() {
        return Err(value(
            "plus",
            reason!("it is empty: at least one meter counts for it", "为空：至少须有一块表计入"),
        ));
    }
    let count = written.plus.len() + written.minus.len();
    if count > MAX_PARTS {
        let reason = reason!(
            "{count} parts are more than the {MAX_PARTS} allowed: make sums of sums",
            "{count} 个分项，超过允许的 {MAX_PARTS} 个：请分层求和"
        );
        return Err(value("plus", reason));
    }
    let mut parts: Vec<(Sign, MeterId)> = Vec::with_capacity(count);
    let mut step = 0u64;
    let mut carrier = None;
    let plus = written.plus.iter().map(|text| ("plus", Sign::Plus, text));
    for (field, sign, text) in plus.chain(written.minus.iter().map(|text| ("minus", Sign::Minus, text))) {
        let part = meter(field, text)?;
        let Some(found) = find(&part) else {
            let reason = reason!(
                "no meter {part} stands before: a part is read by this gateway, or computed before it",
                "前面没有表计 {part}：分项须由本网关抄读，或在其前计算"
            );
            return Err(value(field, reason));
        };
        if parts.iter().any(|(_, other)| *other == part) {
            let reason =
                reason!("meter {part} is a part already: it would count twice", "表计 {part} 已是分项：会重复计入");
            return Err(value(field, reason));
        }
        if *carrier.get_or_insert(found.carrier) != found.carrier {
            let carrier = found.carrier;
            let reason = reason!(
                "meter {part} measures {carrier}, other parts do not",
                "表计 {part} 计量 {carrier}，其他分项不是"
            );
            return Err(value(field, reason));
        }
        step = step.saturating_add(kept::step(found));
        parts.push((sign, part));
    }
    let Some(carrier) = carrier else { return Err(value("plus", reason!("it is empty", "为空"))) };
    let profile = Arc::new(Profile {
        name: VIRTUAL_BUS.into(),
        device: sentence!("computed from other meters", "由其他表计计算"),
        carrier: Some(carrier),
        side: Side::Primary,
        modulus: None,
        source: sentence!("the configuration", "配置"),
        register: Register::Computed(Formula { parts, step }),
    });
    let (unit, ratio) = (UnitAddress::Computed, Ratio::default());
    Ok(Meter { id, bus: VIRTUAL_BUS.into(), unit, topic: None, carrier, profile, ratio })
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use std::path::Path;
    use utilidor_types::MeterId;

    fn id(number: u8) -> MeterId {
        MeterId([number; 16])
    }

    fn site(virtuals: &str) -> Result<Config, String> {
        let meter = |number: u8, carrier: &str| {
            format!(
                "[[meter]]\nid = \"{}\"\nbus = \"b\"\nunit = \"{number}\"\nprofile = \"mbus\"\ncarrier = \"{carrier}\"\n",
                id(number)
            )
        };
        let meters = [meter(1, "heating"), meter(2, "heating"), meter(3, "water")].concat();
        let text = format!(
            "[site]\nkey = \"g\"\n[[bus]]\nname = \"b\"\nprotocol = \"mbus\"\naddress = \"h:1\"\n{meters}{virtuals}"
        );
        Config::read(&text, Path::new("")).map_err(|error| error.to_string())
    }

    fn written(number: u8, plus: &[MeterId], minus: &[MeterId]) -> String {
        let list = |ids: &[MeterId]| ids.iter().map(|id| format!("\"{id}\"")).collect::<Vec<_>>().join(", ");
        format!("[[virtual]]\nid = \"{}\"\nplus = [{}]\nminus = [{}]\n", id(number), list(plus), list(minus))
    }

    #[test]
    fn a_virtual_meter_is_one_of_the_meters_and_can_be_a_part_of_the_next() {
        let text = written(8, &[id(1)], &[id(2)]) + &written(9, &[id(8), id(1)], &[]);
        let config = site(&text).unwrap();
        assert_eq!(config.meters.len(), 5);
        assert_eq!(config.meters[3].address(), "computed");
        assert_eq!(config.meters_of("b").count(), 3);
        // Both parts of the first may move by a kilowatt-hour at once.
        assert_eq!(crate::kept::step(&config.meters[3]), 2 * 3_600_000);
    }

    #[test]
    fn what_cannot_be_added_up_is_refused_with_its_place() {
        for (text, said) in [
            (written(8, &[], &[id(1)]), "virtual[0].plus: it is empty"),
            (written(1, &[id(1)], &[]), "virtual[0].id: meter 0101"),
            (written(8, &[id(1)], &[id(5)]), "virtual[0].minus: no meter 0505"),
            (written(8, &[id(8)], &[]), "virtual[0].plus: no meter 0808"),
            (written(8, &[id(1)], &[id(1)]), "it would count twice"),
            (written(8, &[id(1), id(3)], &[]), "measures water"),
            (written(8, &[id(9)], &[]) + &written(9, &[id(1)], &[]), "no meter 0909"),
            (written(8, &[id(1); 25], &[]), "make sums of sums"),
            ("[[virtual]]\nid = \"8\"\nplus = []\n".into(), "virtual[0].id: \"8\" is no meter"),
            ("[[virtual]]\nplus = []\n".into(), "missing field `id`"),
        ] {
            let error = site(&text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
