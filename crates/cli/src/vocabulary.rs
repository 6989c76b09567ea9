//! What carriers, bands, roles, kinds and statuses are called in answers for people. JSON and the command line keep their names.

use crate::output::Word;
use crate::sentence::{Said, lang};
use crate::text::text;
use crate::{said, t};
use utilidor_types::agreement::Status;
use utilidor_types::{Band, Carrier, Role};
use utilidor_view::{Kind, MovementKind, OfferStatus, QuoteStatus, StepKind};

/// What has a word in the catalogue.
pub trait Spoken {
    /// The word.
    fn word(self) -> Word;
}

/// What something is called, in both languages.
pub fn spoken(one: impl Spoken) -> Said {
    let word = one.word().0;
    said!("{}", "{}", text(word, lang()))
}

impl Spoken for bool {
    fn word(self) -> Word {
        if self { t!("yes") } else { t!("no") }
    }
}

impl Spoken for Band {
    fn word(self) -> Word {
        match self {
            Self::Flat => t!("band_flat"),
            Self::Sharp => t!("band_sharp"),
            Self::Peak => t!("band_peak"),
            Self::Valley => t!("band_valley"),
            Self::Deep => t!("band_deep"),
        }
    }
}

impl Spoken for Carrier {
    fn word(self) -> Word {
        match self {
            Self::Electricity => t!("carrier_electricity"),
            Self::Heating => t!("carrier_heating"),
            Self::Cooling => t!("carrier_cooling"),
            Self::HotWater => t!("carrier_hot_water"),
            Self::Gas => t!("carrier_gas"),
            Self::Water => t!("carrier_water"),
        }
    }
}

impl Spoken for Kind {
    fn word(self) -> Word {
        match self {
            Self::Purchase => t!("kind_purchase"),
            Self::Subscription => t!("kind_subscription"),
            Self::Coded => t!("kind_coded"),
        }
    }
}

impl Spoken for MovementKind {
    fn word(self) -> Word {
        match self {
            Self::Issue => t!("movement_issue"),
            Self::Redeem => t!("movement_redeem"),
            Self::Transfer => t!("movement_transfer"),
            Self::Reserve => t!("movement_reserve"),
            Self::Release => t!("movement_release"),
            Self::Pay => t!("movement_pay"),
            Self::Forfeit => t!("movement_forfeit"),
            Self::FallBack => t!("movement_fall_back"),
        }
    }
}

impl Spoken for OfferStatus {
    fn word(self) -> Word {
        match self {
            Self::Open => t!("offer_open"),
            Self::Awarding => t!("offer_awarding"),
            Self::Closed => t!("offer_closed"),
            Self::Withdrawn => t!("offer_withdrawn"),
        }
    }
}

impl Spoken for QuoteStatus {
    fn word(self) -> Word {
        match self {
            Self::Submitted => t!("quote_submitted"),
            Self::Replaced => t!("quote_replaced"),
            Self::Withdrawn => t!("quote_withdrawn"),
            Self::Awarded => t!("quote_awarded"),
            Self::Forfeited => t!("quote_forfeited"),
            Self::Lapsed => t!("quote_lapsed"),
        }
    }
}

impl Spoken for Role {
    fn word(self) -> Word {
        match self {
            Self::Owner => t!("role_owner"),
            Self::User => t!("role_user"),
            Self::MeterOperator => t!("role_meter_operator"),
            Self::Issuer => t!("role_issuer"),
            Self::Supervisor => t!("role_supervisor"),
            Self::Validator => t!("role_validator"),
        }
    }
}

impl Spoken for Status {
    fn word(self) -> Word {
        match self {
            Self::Proposed => t!("status_proposed"),
            Self::Active => t!("status_active"),
            Self::Stalled => t!("status_stalled"),
            Self::Settled => t!("status_settled"),
            Self::Defaulted => t!("status_defaulted"),
            Self::Terminated => t!("status_terminated"),
            Self::Declined => t!("status_declined"),
            Self::Expired => t!("status_expired"),
        }
    }
}

impl Spoken for StepKind {
    fn word(self) -> Word {
        match self {
            Self::Proposed => t!("step_proposed"),
            Self::Signed => t!("step_signed"),
            Self::Active => t!("step_active"),
            Self::AmendmentProposed => t!("step_amendment_proposed"),
            Self::Amended => t!("step_amended"),
            Self::TerminationRequested => t!("step_termination_requested"),
            Self::TerminationWithdrawn => t!("step_termination_withdrawn"),
            Self::Ending => t!("step_ending"),
            Self::Stalled => t!("step_stalled"),
            Self::Settled => t!("step_settled"),
            Self::Defaulted => t!("step_defaulted"),
            Self::Terminated => t!("step_terminated"),
            Self::Declined => t!("step_declined"),
            Self::Expired => t!("step_expired"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Lang;

    #[test]
    fn in_english_everything_is_called_as_on_the_command_line() {
        fn of<T: Spoken + Copy, const N: usize>(all: [T; N], name: impl Fn(T) -> &'static str) {
            all.into_iter().for_each(|one| assert_eq!(text(one.word().0, Lang::En), name(one)));
        }
        of(Carrier::ALL, Carrier::name);
        of(Band::ALL, Band::name);
        of(Role::ALL, Role::name);
        of(Kind::ALL, Kind::name);
        of(Status::ALL, Status::name);
        of(OfferStatus::ALL, OfferStatus::name);
        of(QuoteStatus::ALL, QuoteStatus::name);
        of(StepKind::ALL, StepKind::name);
    }

    #[test]
    fn in_chinese_nothing_is_called_in_english() {
        let said = |word: Word| text(word.0, Lang::Zh);
        let words = Carrier::ALL.map(Spoken::word).into_iter().chain(Band::ALL.map(Spoken::word));
        let words = words
            .chain(Role::ALL.map(Spoken::word))
            .chain(StepKind::ALL.map(Spoken::word))
            .chain([true.word(), false.word()]);
        for word in words {
            assert!(!said(word).is_ascii(), "{}", word.0);
        }
    }
}
