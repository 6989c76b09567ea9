//! What receipts tell of an agreement or a meter.

use crate::money::CauseView;
use serde::{Deserialize, Serialize};
use utilidor_types::{Event, Timestamp};

/// Something that a receipt tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct EventView {
    /// What.
    pub event: Event,
    /// Where it happened.
    pub cause: CauseView,
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal;)*) => {
        /// Which kind of event.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
        #[serde(rename_all = "snake_case")]
        pub enum EventKind {
            $($(#[doc = $doc])* $name,)*
        }

        impl EventKind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The kind of an event.
            pub const fn of(event: &Event) -> Self {
                match event {
                    $(Event::$name { .. } => Self::$name,)*
                }
            }

            /// The name used in JSON, tables and commands.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

kinds! {
    /// Money of an agreement moved.
    Moved = "moved";
    /// An agreement came into being.
    AgreementProposed = "agreement_proposed";
    /// An agreement changed its status.
    AgreementStatus = "agreement_status";
    /// An amendment took effect.
    AgreementAmended = "agreement_amended";
    /// A batch of readings was worked through.
    Certified = "certified";
    /// Readings are missing in an interval.
    Gap = "gap";
    /// A statement was issued.
    StatementIssued = "statement_issued";
    /// A meter passed a mark.
    Segment = "segment";
    /// A purchase gave back to the supply what it had taken beyond what was delivered.
    Returned = "returned";
    /// A supply's meter reached a level that its program had set.
    LevelReached = "level_reached";
    /// A correction changed what a supply had been told.
    Adjusted = "adjusted";
    /// What passed a meter is on nobody's bill.
    Unsupplied = "unsupplied";
    /// A certified quantity was corrected.
    Corrected = "corrected";
    /// A user paid ahead.
    Prepaid = "prepaid";
    /// A prepayment opened a tranche.
    TrancheOpened = "tranche_opened";
    /// An agreement's program failed.
    ProgramFailed = "program_failed";
    /// A published program has acted.
    ProgramRan = "program_ran";
    /// What a party owes has changed.
    Debt = "debt";
    /// An agreement ends at a time.
    Ending = "ending";
    /// The bond of a quote moved.
    Bond = "bond";
    /// One of several awards could not be concluded.
    AwardRefused = "award_refused";
    /// An offer lapsed.
    OfferLapsed = "offer_lapsed";
    /// Readings are missing before something is settled without them.
    ReadingsMissing = "readings_missing";
    /// A motion of the council is open.
    MotionOpened = "motion_opened";
    /// A council member has voted.
    Voted = "voted";
    /// A motion was carried.
    Decided = "decided";
    /// A motion is over without effect.
    MotionEnded = "motion_ended";
    /// A validator's node is ready.
    ValidatorReady = "validator_ready";
    /// The validators change.
    ValidatorsChanged = "validators_changed";
    /// The validators stay, although the council wants others.
    ValidatorsKept = "validators_kept";
    /// Little is left of what was prepaid.
    LowBalance = "low_balance";
    /// What was prepaid is used up.
    Exhausted = "exhausted";
    /// A program knew values of indices.
    IndicesRead = "indices_read";
    /// The operator of a meter wants an agreement to end too.
    EndingStands = "ending_stands";
    /// A day is another subscription's.
    DayPassedOn = "day_passed_on";
}

/// Which events are wanted; what is absent does not restrict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct EventFilter {
    /// Of this kind.
    #[cfg_attr(feature = "schema", param(inline))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<EventKind>,
    /// In blocks from this time on.
    #[cfg_attr(feature = "schema", param(inline))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_ms: Option<Timestamp>,
    /// In blocks before this time.
    #[cfg_attr(feature = "schema", param(inline))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_ms: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use utilidor_types::MeterId;
    use utilidor_types::Window;

    #[test]
    fn an_event_and_its_kind_have_one_name() {
        let interval = Window { from: Timestamp(1), to: Timestamp(2) };
        let event = Event::Gap { meter: MeterId::default(), interval };
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(json["event"], EventKind::of(&event).name());
        for kind in EventKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }
}
