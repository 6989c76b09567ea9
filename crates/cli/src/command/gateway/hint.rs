//! What to do about what a gateway has noted, by its code.

use crate::said;
use crate::sentence::Said;

/// What to do, where the detail does not say it. All codes stand in docs/guide/meters.md.
pub fn hint(code: &str) -> Option<Said> {
    let (kind, which) = code.split_once('/')?;
    Some(match (kind, which) {
        ("line", "oversize") => said!("see who publishes such long messages", "查明是谁发布了过长的消息"),
        ("line", "not-subscribed") => said!(
            "see the broker's access list, and the name that the gateway logs in with",
            "检查代理的访问控制列表，以及网关登录所用的名称"
        ),
        // It tells that something is over.
        ("line", "restored") => return None,
        ("line", _) => said!(
            "see the cable, the address in the configuration, the speed and the format of the serial port or server",
            "检查接线、配置中的地址、串口或串口服务器的速率与格式"
        ),
        ("frame", _) => {
            said!("see the protocol in the configuration, and noise on the line", "检查配置中的协议，以及线路干扰")
        }
        ("register", "device-fault") => said!("look at the device: it reports an error", "检查设备：设备报告了故障"),
        ("register", _) => said!(
            "see the device, and which register and unit its profile names: utilidor gateway probe",
            "检查设备，以及其设备档案中的寄存器与单位：utilidor gateway probe"
        ),
        ("reading", "time-not-rising") => said!(
            "for all meters at once: set this machine's clock; for one: see its device's or collector's time",
            "若所有表计均如此：校准本机时钟；若仅一块：检查其设备或采集器的时间"
        ),
        ("reading", "early" | "left-out") => said!(
            "set whichever clock is wrong: this machine's, or its device's or collector's",
            "校准有误的时钟：本机的，或其设备、采集器的"
        ),
        ("reading", "went-back" | "beyond-capacity" | "unsteady" | "register-too-wide") => said!(
            "see whether it is the right register, order of words, ratio and --register: utilidor gateway probe, \
             utilidor meter show METER",
            "检查寄存器、字序、变比和 --register 是否正确：utilidor gateway probe，utilidor meter show METER"
        ),
        ("meter", "device-changed") => said!(
            "utilidor meter exchange METER, then stop the gateway, utilidor gateway accept METER, start it",
            "先执行 utilidor meter exchange METER，再停止网关，执行 utilidor gateway accept METER，然后启动"
        ),
        ("meter", "other-begin") => said!(
            "see --register and --capacity of its registration: utilidor meter show METER; put it right by utilidor meter exchange or \
             utilidor meter capacity, then stop the gateway, utilidor gateway accept METER, start it",
            "检查登记的 --register 和 --capacity：utilidor meter show METER；用 utilidor meter exchange 或 utilidor meter capacity 更正，\
             然后停止网关，执行 utilidor gateway accept METER，再启动"
        ),
        ("meter", "silent") => said!("go and look", "请到现场查看"),
        ("virtual", "unregistered") => {
            said!(
                "utilidor meter register, then utilidor gateway check",
                "先 utilidor meter register，再 utilidor gateway check"
            )
        }
        ("clock", "apart") => said!(
            "see whether the node follows the chain at once; where it does, set this machine's clock",
            "检查节点是否及时跟上链；若已跟上，则校准本机时钟"
        ),
        ("clock", "wrong") => said!("set this machine's clock", "校准本机时钟"),
        ("ocmf", "bad-signature" | "other-device") => said!(
            "a new device: utilidor meter exchange METER or rotate-key METER --meter-key KEY, then move its file of records away; else see \
             what connects under the station's name",
            "若为新设备：utilidor meter exchange METER 或 rotate-key METER --meter-key KEY，再移走其记录文件；否则查明是谁以该站名连接"
        ),
        ("ocmf", "early") => said!("set the station's clock", "校准充电桩的时钟"),
        ("ocmf", "refused") => said!(
            "see which they are and what the ledger would refuse: utilidor gateway evidence METER, utilidor gateway check",
            "查看是哪些记录、账本会拒绝什么：utilidor gateway evidence METER，utilidor gateway check"
        ),
        ("uplink", "pending") => said!(
            "see whether the chain makes blocks: utilidor status; if it does, ask another node",
            "检查链是否出块：utilidor status；若出块，请改用另一节点"
        ),
        ("reading", "not-authority") => said!(
            "see who signs for it: utilidor meter show METER, utilidor gateway check",
            "查看由谁签名：utilidor meter show METER，utilidor gateway check"
        ),
        ("uplink", "down") => said!(
            "see the node and site.node in the configuration; readings wait meanwhile",
            "检查节点及配置中的 site.node；其间读数保持等待"
        ),
        _ => return None,
    })
}
