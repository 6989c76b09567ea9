//! What a frame's values are called where people read. Programs keep the names that the decoders give.

use crate::said;
use crate::sentence::Said;

/// What a value is called: in Chinese from the parts of its name, or as it is written where not all of them are known, as those are that
/// a maker or a profile has given.
pub fn called(name: &str) -> Said {
    let chinese = chinese(name).unwrap_or_else(|| name.to_owned());
    said!("{name}", "{chinese}")
}

fn chinese(name: &str) -> Option<String> {
    let whole = WHOLE.iter().find(|(english, _)| *english == name).map(|(_, chinese)| (*chinese).to_owned());
    whole.or_else(|| in_parts(name))
}

/// The longest known beginning comes first: no part is another's beginning and leads elsewhere.
fn in_parts(name: &str) -> Option<String> {
    let begins = |part: &&(&str, &str)| {
        let rest = name.strip_prefix(part.0);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    };
    let (english, chinese) = PARTS.iter().filter(begins).max_by_key(|(english, _)| english.len())?;
    let rest = name[english.len()..].trim_start_matches('_');
    if rest.is_empty() {
        return Some((*chinese).to_owned());
    }
    Some(format!("{chinese}{}", in_parts(rest)?))
}

/// Names whose parts would say something else.
const WHOLE: &[(&str, &str)] = &[
    ("energy", "能量"),
    ("time", "时间"),
    ("energy_produced", "发出电能"),
    ("energy_imported", "用入电能"),
    ("energy_exported", "送出电能"),
];

/// The parts of all names.
const PARTS: &[(&str, &str)] = &[
    ("1", "1"),
    ("2", "2"),
    ("access_number", "访问序号"),
    ("active_demand", "有功需量"),
    ("active_power", "有功功率"),
    ("actuality_duration", "实际时段"),
    ("address", "地址"),
    ("apparent_demand", "视在需量"),
    ("apparent_energy", "视在电能"),
    ("apparent_power", "视在功率"),
    ("at_error", "故障时"),
    ("average", "平均"),
    ("averaging_duration", "平均时段"),
    ("battery_working_time", "电池工作时间"),
    ("bus_address", "总线地址"),
    ("clock", "时钟"),
    ("clock_battery_voltage", "时钟电池电压"),
    ("combined_active", "组合有功"),
    ("combined_reactive", "组合无功"),
    ("current", "电流"),
    ("current_distortion", "电流谐波含量"),
    ("current_transformer_ratio", "电流互感器变比"),
    ("customer", "客户"),
    ("customer_location", "客户位置"),
    ("date", "日期"),
    ("dimensionless", "无量纲值"),
    ("energy", "电能"),
    ("enhanced_identification", "增强标识"),
    ("error_flags", "故障标志"),
    ("external_temperature", "环境温度"),
    ("fabrication_number", "出厂编号"),
    ("firmware_version", "固件版本"),
    ("flow", "流量"),
    ("forward_active", "正向有功"),
    ("forward_apparent", "正向视在"),
    ("frequency", "频率"),
    ("hardware_version", "硬件版本"),
    ("heat_cost_units", "热分配单位"),
    ("identification", "标识"),
    ("maker", "制造商"),
    ("maker_specific", "制造商自定义"),
    ("mass", "质量"),
    ("mass_flow", "质量流量"),
    ("maximum", "最大"),
    ("maximum_demand", "最大需量"),
    ("medium", "介质"),
    ("meter_number", "表号"),
    ("minimum", "最小"),
    ("model", "型号"),
    ("more_records_follow", "后续还有记录"),
    ("neutral_current", "零线电流"),
    ("on_time", "通电时间"),
    ("operating_time", "工作时间"),
    ("overdrawn_energy", "透支电量"),
    ("parameter_set", "参数集"),
    ("phase_a", "A 相"),
    ("phase_angle", "相角"),
    ("phase_b", "B 相"),
    ("phase_c", "C 相"),
    ("power", "功率"),
    ("power_factor", "功率因数"),
    ("pressure", "压力"),
    ("quadrant_1_reactive", "第一象限无功"),
    ("quadrant_2_reactive", "第二象限无功"),
    ("quadrant_3_reactive", "第三象限无功"),
    ("quadrant_4_reactive", "第四象限无功"),
    ("reactive_demand", "无功需量"),
    ("reactive_energy", "无功电能"),
    ("reactive_power", "无功功率"),
    ("reading_battery_voltage", "停电抄表电池电压"),
    ("register", "表底"),
    ("registers", "寄存器"),
    ("relative_humidity", "相对湿度"),
    ("remaining_energy", "剩余电量"),
    ("reset_counter", "复位次数"),
    ("return_temperature", "回水温度"),
    ("reverse_active", "反向有功"),
    ("reverse_apparent", "反向视在"),
    ("signed", "已签名"),
    ("software_version", "软件版本"),
    ("status", "状态"),
    ("supply_temperature", "供水温度"),
    ("temperature", "温度"),
    ("temperature_difference", "温差"),
    ("time", "时间"),
    ("total", "总"),
    ("version", "版本"),
    ("voltage", "电压"),
    ("voltage_distortion", "电压谐波含量"),
    ("voltage_transformer_ratio", "电压互感器变比"),
    ("volume", "体积"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Lang;

    #[test]
    fn a_name_is_said_by_its_parts_and_stays_where_one_of_them_is_unknown() {
        let chinese = |name: &str| called(name).text(Lang::Zh).to_string();
        for (name, said) in [
            ("phase_b_forward_active_energy", "B 相正向有功电能"),
            ("combined_reactive_energy_2", "组合无功电能2"),
            ("forward_active_maximum_demand_time", "正向有功最大需量时间"),
            ("average_active_power", "平均有功功率"),
            ("total_power_factor", "总功率因数"),
            ("energy", "能量"),
            ("as_u32_high_first", "as_u32_high_first"),
            ("boiler_house", "boiler_house"),
        ] {
            assert_eq!(chinese(name), said);
            assert_eq!(called(name).text(Lang::En), name);
        }
    }

    #[test]
    fn parts_stand_once_in_order() {
        assert!(PARTS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
