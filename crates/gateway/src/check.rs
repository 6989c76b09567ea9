//! A configuration against the ledger: what would be refused later is said before the first reading.

use crate::config::{Config, Meter};
use crate::kept::{least_capacity, modulus, most_in, other_begin, step};
use crate::number::in_usual_unit;
use crate::reason::{Sentence, carrier_word, sentence};
use crate::signed;
use crate::uplink::LedgerMeter;
use std::collections::BTreeMap;
use utilidor_types::{MeterId, OcmfRecord, Timestamp};

/// Something about a meter that should be put right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The meter.
    pub meter: MeterId,
    /// The stable code.
    pub code: &'static str,
    /// What is wrong.
    pub what: Sentence,
    /// What to do.
    pub next: Sentence,
}

/// Compares each meter with its registration; of one that signs, the newest record with the key that the ledger has, and the first that is not
/// certified with the register that the ledger goes on from.
pub fn check(config: &Config, ledger: &BTreeMap<MeterId, LedgerMeter>) -> Vec<Finding> {
    let interval_ms = u64::try_from(config.site.interval.as_millis()).unwrap_or(u64::MAX);
    let signed = signed::folder(&config.site.journal);
    let finding = |meter: &Meter| {
        let kept = if signed::signs(meter) { signed::records(&signed::file(&signed, meter.id)).ok() } else { None };
        finding(meter, ledger.get(&meter.id), interval_ms, &kept.unwrap_or_default())
    };
    config.meters.iter().filter_map(finding).collect()
}

/// Who signs otherwise than the configuration has it: what is wrong, and with whose signature the meter is to go on.
fn signer(
    meter: &Meter,
    ledger: &LedgerMeter,
    record: Option<&OcmfRecord>,
) -> Option<(&'static str, Sentence, Sentence)> {
    let id = meter.id;
    let of_device = || {
        sentence!(
            "utilidor meter rotate-key {id} --meter-key KEY (as it stands in the device's register)",
            "utilidor meter rotate-key {id} --meter-key KEY（KEY 见设备的登记资料）"
        )
    };
    match ledger.registration.key {
        _ if !signed::signs(meter) => {
            let what =
                sentence!("another account, or the meter itself, signs its readings", "其读数由另一账户或表计自身签名");
            let command = format!("utilidor meter rotate-key {id} --gateway GATEWAY");
            (!ledger.is_ours).then_some(("reading/not-authority", what, sentence!("{command}", "{command}")))
        }
        None => {
            let what = sentence!(
                "its device signs its readings, and the ledger has it under a gateway's key",
                "其读数由设备签名，而账本登记的是网关的账户"
            );
            Some(("reading/not-authority", what, of_device()))
        }
        Some(key) => record.and_then(|record| record.verify(&key).err()).map(|error| {
            let what = sentence!(
                "its newest record is not signed with the key that the ledger has",
                "其最新的签名记录不是用账本所登记的密钥签名的"
            );
            (error.code(), what, of_device())
        }),
    }
}

/// What is wrong with a meter first. Order: registration, service, carrier, who signs, width, capacity, its first record's register.
fn finding(meter: &Meter, ledger: Option<&LedgerMeter>, interval_ms: u64, records: &[OcmfRecord]) -> Option<Finding> {
    let finding = |code, what: Sentence, next: Sentence| Some(Finding { meter: meter.id, code, what, next });
    let (id, carrier, step) = (meter.id, meter.carrier, step(meter));
    let Some(ledger) = ledger else {
        let signer = if signed::signs(meter) { "--meter-key KEY" } else { "--gateway GATEWAY" };
        let least = in_usual_unit(least_capacity(meter, interval_ms), carrier);
        let register = format!(
            "utilidor meter register --label LABEL --carrier {carrier} --holder HOLDER {signer} --modulus MODULUS --capacity CAPACITY"
        );
        return finding(
            "meter/unknown",
            sentence!("this gateway's account sees no such meter on the ledger", "本网关的账户在账本上看不到此表计"),
            sentence!(
                "{register} (at least {least}), and write the id that this prints into the configuration; if it is registered, the \
                 gateway's key may be another one: utilidor meter show {id}",
                "{register}（至少 {least}），并将打印的标识写入配置；若已登记，则可能用了另一网关的密钥：utilidor meter show {id}"
            ),
        );
    };
    if ledger.retired {
        return finding(
            "meter/retired",
            sentence!("it is out of service", "此表计已停用"),
            sentence!("take it out of the configuration file", "请从配置文件中删除它"),
        );
    }
    if ledger.carrier != carrier {
        let [other, carrier] = [ledger.carrier, carrier].map(carrier_word);
        return finding(
            "meter/carrier",
            sentence!(
                "the ledger has it for {other}, the configuration for {carrier}",
                "账本登记的能源品种为{other}，配置中为{carrier}"
            ),
            sentence!("correct the carrier in the configuration file", "请更正配置文件中的能源品种（carrier）"),
        );
    }
    if let Some((code, what, next)) = signer(meter, ledger, records.last()) {
        return finding(code, what, next);
    }
    if let Some(modulus) = modulus(meter)
        && modulus != ledger.registration.modulus
    {
        let [here, there] = [modulus, ledger.registration.modulus].map(|modulus| in_usual_unit(modulus, carrier));
        return finding(
            "meter/modulus",
            sentence!(
                "its register starts again at {here}, the ledger says at {there}",
                "其表底在 {here} 处归零，账本登记的是 {there}"
            ),
            sentence!(
                "utilidor meter exchange {id} with the right --modulus",
                "utilidor meter exchange {id}，并写正确的 --modulus"
            ),
        );
    }
    let most = most_in(ledger.registration.capacity_per_hour, interval_ms);
    if most < step {
        let [step, most, least] =
            [step, most, least_capacity(meter, interval_ms)].map(|quantity| in_usual_unit(quantity, carrier));
        return finding(
            "reading/beyond-capacity",
            sentence!(
                "its register moves in steps of {step}, and the capacity lets {most} pass in an interval: honest steps would be refused",
                "其表底每步为 {step}，而容量在一个间隔内只允许 {most}：真实的读数会被拒绝"
            ),
            sentence!(
                "utilidor meter capacity {id} {least}, or more; or read it less often",
                "utilidor meter capacity {id} {least}，或更大；或降低抄表频率"
            ),
        );
    }
    let known = ledger.registration;
    let first = records.iter().filter_map(signed::newest).find(|seen| seen.time_ms > known.last_ms)?;
    other_begin(meter, known, first, interval_ms)?;
    let [shown, begin] = [first.register, known.register].map(|register| in_usual_unit(register, carrier));
    let (at, since) = (Timestamp(first.time_ms), Timestamp(known.last_ms));
    finding(
        "meter/other-begin",
        sentence!(
            "its device's record of {at} shows {shown}, the ledger goes on from {begin} of {since}: so much cannot have passed",
            "其设备在 {at} 的记录显示 {shown}，而账本从 {since} 的 {begin} 继续：其间不可能有这样的流量"
        ),
        sentence!(
            "before its capacity lets that count: utilidor meter exchange {id} with the same device, --last what the ledger has, \
             --register what it showed",
            "在容量使其计入之前：utilidor meter exchange {id}（同一设备），--last 写账本所记，--register 写其当时所示"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kept::Registration;
    use p256::ecdsa::signature::Signer as _;
    use p256::ecdsa::{Signature, SigningKey};
    use std::path::Path;
    use utilidor_types::{Carrier, PrivateKey, PublicKey};

    const KWH: u64 = 3_600_000;

    #[test]
    fn each_finding_is_named_in_order_and_a_good_meter_has_none() {
        let text = "[site]\nkey = \"g\"\n[[bus]]\nname = \"b\"\nprotocol = \"dlt645\"\naddress = \"h:1\"\n[[meter]]\nid = \
                    \"01010101010101010101010101010101\"\nbus = \"b\"\nunit = \"1\"\nprofile = \"dlt645-2007\"\n";
        let config = Config::read(text, Path::new("")).unwrap();
        let good = LedgerMeter {
            carrier: Carrier::Electricity,
            registration: Registration {
                modulus: 1_000_000 * KWH,
                capacity_per_hour: KWH,
                last_ms: 0,
                register: 0,
                devices: 1,
                key: None,
            },
            is_ours: true,
            retired: false,
        };
        let code = |ledger: Option<LedgerMeter>| {
            let found = ledger.map(|ledger| (config.meters[0].id, ledger)).into_iter().collect();
            check(&config, &found).pop().map(|finding| finding.code)
        };
        assert_eq!(code(Some(good.clone())), None);
        assert_eq!(code(None), Some("meter/unknown"));
        assert_eq!(code(Some(LedgerMeter { retired: true, ..good.clone() })), Some("meter/retired"));
        assert_eq!(code(Some(LedgerMeter { carrier: Carrier::Gas, ..good.clone() })), Some("meter/carrier"));
        let gas = [(config.meters[0].id, LedgerMeter { carrier: Carrier::Gas, ..good.clone() })].into();
        let what = check(&config, &gas).pop().unwrap().what;
        assert_eq!(what.en, "the ledger has it for gas, the configuration for electricity");
        assert_eq!(what.zh, "账本登记的能源品种为燃气，配置中为电");
        assert_eq!(code(Some(LedgerMeter { is_ours: false, ..good.clone() })), Some("reading/not-authority"));
        let with = |registration| Some(LedgerMeter { registration, ..good.clone() });
        assert_eq!(code(with(Registration { modulus: KWH, ..good.registration })), Some("meter/modulus"));
        assert_eq!(
            code(with(Registration { capacity_per_hour: 1, ..good.registration })),
            Some("reading/beyond-capacity")
        );
    }

    #[test]
    fn the_least_capacity_that_is_named_lets_a_step_pass_in_any_interval() {
        for interval in ["7min", "15min", "11s", "13h", "1s"] {
            let text = format!(
                "[site]\nkey = \"g\"\ninterval = \"{interval}\"\n[[bus]]\nname = \"b\"\nprotocol = \"cjt188\"\naddress = \"h:1\"\ntimeout \
                 = \"500ms\"\nretries = 0\n[[meter]]\nid = \"01010101010101010101010101010101\"\nbus = \"b\"\nunit = \"1\"\nprofile = \
                 \"cjt188\"\ncarrier = \"water\"\n"
            );
            let config = Config::read(&text, Path::new("")).unwrap();
            let interval_ms = u64::try_from(config.site.interval.as_millis()).unwrap();
            let meter = &config.meters[0];
            let with = |capacity_per_hour| {
                let registration = Registration {
                    modulus: u64::MAX >> 1,
                    capacity_per_hour,
                    last_ms: 0,
                    register: 0,
                    devices: 1,
                    key: None,
                };
                let ledger = LedgerMeter { carrier: Carrier::Water, registration, is_ours: true, retired: false };
                check(&config, &[(meter.id, ledger)].into()).pop()
            };
            let least = least_capacity(meter, interval_ms);
            assert_eq!(with(least), None, "{interval}");
            let next = with(least - 1).expect("it is too little").next.en;
            let said =
                format!("utilidor meter capacity {} {}, or more", meter.id, in_usual_unit(least, Carrier::Water));
            assert!(next.starts_with(&said), "{interval}: {next}");
        }
    }

    #[test]
    fn a_meter_whose_device_signs_is_right_under_its_devices_key_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let text = "[site]\nkey = \"g\"\n[[bus]]\nname = \"b\"\nprotocol = \"ocpp\"\naddress = \"127.0.0.1:1\"\n[[meter]]\nid = \
                    \"01010101010101010101010101010101\"\nbus = \"b\"\nunit = \"CP/1\"\nprofile = \"ocpp-signed\"\n";
        let config = Config::read(text, folder.path()).unwrap();
        let id = config.meters[0].id;
        let device = SigningKey::from_slice(&[11; 32]).unwrap();
        let [device_key, other_key] = [[11; 32], [12; 32]].map(|secret| PrivateKey::p256(secret).unwrap().public_key());
        let of = |key: Option<PublicKey>, is_ours| LedgerMeter {
            carrier: Carrier::Electricity,
            registration: Registration {
                modulus: 100_000 * KWH,
                capacity_per_hour: 100 * KWH,
                last_ms: 0,
                register: 0,
                devices: 1,
                key,
            },
            is_ours,
            retired: false,
        };
        let found = |ledger: LedgerMeter| {
            let finding = check(&config, &[(id, ledger)].into()).pop();
            finding.map(|finding| (finding.code, finding.next.en))
        };
        let own = format!("utilidor meter rotate-key {id} --meter-key KEY (as it stands in the device's register)");
        assert_eq!(
            found(of(None, true)),
            Some(("reading/not-authority", own.clone())),
            "the gateway's key is not its own"
        );
        assert_eq!(found(of(None, false)), Some(("reading/not-authority", own.clone())));
        assert_eq!(found(of(Some(device_key), false)), None);
        assert_eq!(found(of(Some(other_key), false)), None, "without a record nobody knows better");
        let unregistered = check(&config, &BTreeMap::new()).pop().unwrap();
        let next = unregistered.next;
        assert!(next.en.contains("--holder HOLDER --meter-key KEY --modulus") && next.zh.contains("至少"), "{next:?}");

        let payload = "{\"FV\":\"1.0\",\"PG\":\"T1\",\"MS\":\"A7\",\"RD\":[{\"TM\":\"2025-01-01T01:00:00,000+0000 S\",\"RV\":1,\
                       \"RI\":\"1-b:1.8.0\",\"RU\":\"kWh\",\"ST\":\"G\"}]}";
        let signature: Signature = device.sign(payload.as_bytes());
        let record = format!("OCMF|{payload}|{{\"SD\":\"{}\"}}\n", hex::encode(signature.to_der()));
        let file = signed::file(&signed::folder(&config.site.journal), id);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, record).unwrap();
        assert_eq!(found(of(Some(device_key), false)), None);
        assert_eq!(found(of(Some(other_key), false)), Some(("ocmf/bad-signature", own)));

        // The record is of 1 kWh at one o'clock; the ledger begins so many minutes before.
        let begins = |minutes: u64, register: u64| {
            let good = of(Some(device_key), false);
            let last_ms = 1_735_693_200_000 - minutes * 60_000;
            let registration = Registration { last_ms, register, capacity_per_hour: KWH, ..good.registration };
            found(LedgerMeter { registration, ..good }).map(|(code, _)| code)
        };
        for (minutes, register, expected) in [
            (60, 0, None),
            (30, 0, Some("meter/other-begin")),
            (30, KWH, None),
            (30, 2 * KWH, Some("meter/other-begin")),
            // It is certified already.
            (0, 5 * KWH, None),
        ] {
            assert_eq!(begins(minutes, register), expected, "{minutes} {register}");
        }
    }
}
