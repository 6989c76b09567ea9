//! The clock beside the chain's time: which of its stretches count, and what an operator is told of that.

use super::Sender;
use crate::clock::{Comparison, HOLD_MS};
use crate::journal::{ClockState, JournalError};
use crate::kept::{begin_stretch, end_stretch};
use crate::reason::sentence;
use crate::uplink::{ChainNow, Uplink};

impl<U: Uplink> Sender<U> {
    /// Compares the clock with the chain's time, and says so in the journal where something follows from it.
    pub async fn compare_clock(&mut self, chain: ChainNow) -> Result<Option<Comparison>, JournalError> {
        let Some(comparison) = Comparison::of(&self.shared.watch, chain.time_ms) else {
            begin_stretch(&self.shared.watch, &self.shared.writer).await?;
            return Ok(None);
        };
        let offset_ms = comparison.offset_ms;
        self.shared.metrics.compared(offset_ms);
        // Of a clock that counts: the chain's last block may be some time old.
        self.judge(comparison, chain.time_ms.saturating_add_signed(offset_ms)).await?;
        if comparison.is_worth_a_warning() != self.warned {
            self.warned = comparison.is_worth_a_warning();
            let code = if self.warned { "clock/apart" } else { "clock/together" };
            let detail = match offset_ms {
                ..0 => sentence!(
                    "the clock is {} ms behind the chain's time",
                    "时钟比链上时间慢 {} 毫秒",
                    offset_ms.unsigned_abs()
                ),
                // Which of them it is, nobody can say who sees the one node alone.
                _ if self.warned => sentence!(
                    "the chain's last block is {offset_ms} ms old: it stands, the node is behind, or the clock is ahead; beyond \
                     {HOLD_MS} ms readings wait until the two are together",
                    "链上最新区块已有 {offset_ms} 毫秒：链已停止出块、节点落后，或本机时钟偏快；超过 {HOLD_MS} 毫秒时，读数等到两者一致再发送"
                ),
                _ => sentence!(
                    "the clock is {offset_ms} ms ahead of the chain's time",
                    "时钟比链上时间快 {offset_ms} 毫秒"
                ),
            };
            self.shared.note(None, code, detail, None).await?;
        }
        Ok(Some(comparison))
    }

    /// Says what a comparison has shown of a stretch of the clock, and of those before it.
    async fn judge(&mut self, comparison: Comparison, now_ms: u64) -> Result<(), JournalError> {
        use ClockState::{Trusted, Unverified, Wrong};
        let Comparison { epoch, state, began_ms, worst_ms, .. } = comparison;
        let writer = &self.shared.writer;
        let known = writer.call(move |journal| journal.clock_state(epoch)).await?;
        match (known, state) {
            // It was right and has not jumped: either it has drifted a little in a long time, or it is the chain's time that is
            // wrong. So what it has stamped counts. What it stamps from now on is a stretch of its own, which waits until the two are
            // together again, or until somebody sets the clock.
            (Trusted, None | Some(Wrong)) if !comparison.is_right() => {
                self.goes_on = end_stretch(&self.shared.watch, writer, epoch).await?;
                return Ok(());
            }
            (Unverified, Some(Wrong)) if !comparison.is_right() && self.goes_on == Some(epoch) => {}
            (Unverified, Some(Wrong)) => {
                writer.call(move |journal| journal.judge_clock(epoch, Wrong, worst_ms)).await?;
            }
            (Unverified, Some(Trusted)) => {
                writer.call(move |journal| journal.judge_clock(epoch, Trusted, began_ms)).await?;
            }
            (Wrong, Some(Trusted)) => {
                let forgiven = writer.call(move |journal| journal.forgive_clock(epoch, began_ms)).await?;
                let detail = sentence!(
                    "the clock was right after all, and not the chain's time: {forgiven} readings count again",
                    "时钟原本准确，不准的是链上时间：{forgiven} 条读数恢复有效"
                );
                self.shared.note(None, "clock/was-right", detail, None).await?;
            }
            _ => {}
        }
        if known != Trusted && state == Some(Trusted) {
            let judge = move |journal: &mut crate::journal::Journal| journal.judge_earlier_clocks(epoch, now_ms);
            let (counting, refused) = writer.call(judge).await?;
            if counting + refused > 0 {
                let detail = sentence!(
                    "{counting} readings count, {refused} are refused, that were stamped before the clock was last set or started: it \
                     was not compared with the chain's time then",
                    "上次校准或启动之前所记、当时未与链上时间核对的读数：{counting} 条有效，{refused} 条被拒绝"
                );
                self.shared.note(None, "clock/earlier-start", detail, None).await?;
            }
        }
        if known != Trusted && state == Some(Wrong) && comparison.is_right() {
            // It was put right by less than a jump at a time: what it stamps from now on counts.
            end_stretch(&self.shared.watch, writer, epoch).await?;
        }
        Ok(())
    }
}
