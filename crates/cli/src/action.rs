//! What actions are called, for who reads what was signed.

use crate::said;
use crate::sentence::Said;
use utilidor_types::Action;

/// An action's name: in English that of JSON, receipts and tables.
pub fn name(action: &Action) -> Said {
    let (english, chinese) = (action.name(), chinese(action));
    said!("{english}", "{chinese}")
}

const fn chinese(action: &Action) -> &'static str {
    match action {
        Action::ProposeMotion(_) => "提出议案",
        Action::VoteOnMotion { .. } => "表决议案",
        Action::ProveReady(_) => "证明节点就绪",
        Action::OpenAccount { .. } => "开立账户",
        Action::Issue { .. } => "发行资金",
        Action::Redeem { .. } => "赎回资金",
        Action::Transfer { .. } => "付款",
        Action::PublishOffers { .. } => "发布要约",
        Action::WithdrawOffer { .. } => "撤回要约",
        Action::SubmitQuotes { .. } => "提交报价",
        Action::WithdrawQuote { .. } => "撤回报价",
        Action::Award { .. } => "授标",
        Action::ProposeAgreement { .. } => "提出合约",
        Action::SignAgreement { .. } => "签署合约",
        Action::DeclineAgreement { .. } => "拒签合约",
        Action::ProposeAmendment { .. } => "提出变更",
        Action::SignAmendment { .. } => "签署变更",
        Action::Terminate { .. } => "终止合约",
        Action::WithdrawTermination { .. } => "撤回终止请求",
        Action::PayDebt { .. } => "偿还欠款",
        Action::Command { .. } => "向程序发令",
        Action::RegisterMeter(_) => "登记表计",
        Action::BindMeter { .. } => "绑定表计",
        Action::RotateMeterKey { .. } => "更换表计密钥",
        Action::ChangeMeterCapacity { .. } => "变更表计容量",
        Action::ExchangeMeter { .. } => "更换表计",
        Action::RetireMeter { .. } => "停用表计",
        Action::TakeOverMeters { .. } => "接管表计",
        Action::RecordReadings { .. } => "记录读数",
        Action::CorrectReadings { .. } => "更正读数",
        Action::PublishPackage(_) => "发布套餐",
        Action::ClosePackage { .. } => "关闭套餐",
        Action::PublishProgram(_) => "发布程序",
        Action::Subscribe { .. } => "订阅套餐",
        Action::Prepay { .. } => "预付",
        Action::PublishIndex(_) => "发布指数值",
    }
}
