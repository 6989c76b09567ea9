//! What must hold at the end of every run.

use super::*;
use commonware_cryptography::Digested;

/// All nodes hold the same block at every height up to `height`, and the client's transactions are in them once, in order.
#[derive(Clone)]
pub struct OneHistory {
    pub height: u64,
    pub from: u64,
}

/// A node's block; from its next life, if its machine ends while it is asked.
async fn block_of(member: &Member, height: u64) -> Option<Digested<Block>> {
    let mut lives = member.now.clone();
    loop {
        let marshal = lives.borrow_and_update().as_ref()?.marshal.clone();
        let block = marshal.get_block(Identifier::Height(Height::new(height))).await;
        if block.is_some() || member.places[member.index].is_up() {
            return block;
        }
        lives.changed().await.ok()?;
    }
}

/// What a property says of the nodes.
pub type Verdict<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

impl Property<PublicKey, Member> for OneHistory {
    fn name(&self) -> &str {
        "one_history"
    }

    fn check<'a>(&'a self, _: &'a ProgressTracker<PublicKey>, members: &'a [&'a Member]) -> Verdict<'a> {
        Box::pin(async move {
            let mut nonces = Vec::new();
            let honest: Vec<_> = members.iter().filter(|member| member.honest).collect();
            for height in self.from..=self.height {
                let mut agreed = None;
                for (place, member) in honest.iter().enumerate() {
                    let Some(block) = block_of(member, height).await else {
                        return Err(format!("node {} lacks block {height}", member.index));
                    };
                    let digest = block.digest();
                    if *agreed.get_or_insert(digest) != digest {
                        return Err(format!("nodes disagree about block {height}"));
                    }
                    if place == 0 {
                        let bodies = block.inner().transactions().iter();
                        let signed = bodies.map(|body| SignedTransaction::decode(&body.bytes).unwrap());
                        nonces.extend(signed.map(|signed| signed.transaction.nonce));
                    }
                }
            }
            if nonces.is_empty() {
                return Err("no transaction entered a block".into());
            }
            if nonces.windows(2).any(|pair| pair[1] != pair[0] + 1) {
                return Err(format!("the client's transactions are not there once and in order: {nonces:?}"));
            }
            Ok(())
        })
    }
}

/// No node's engine has signed two votes that contradict each other, in all its lives.
#[derive(Clone)]
pub struct NoContradiction {
    pub places: Arc<[Place; MAX_NODES]>,
}

impl Property<PublicKey, Member> for NoContradiction {
    fn name(&self) -> &str {
        "no_contradiction"
    }

    fn check<'a>(&'a self, _: &'a ProgressTracker<PublicKey>, _: &'a [&'a Member]) -> Verdict<'a> {
        Box::pin(async move {
            let found: Vec<_> = self.places.iter().map(|place| place.votes.contradictions()).enumerate().collect();
            let found: Vec<_> = found.into_iter().filter(|(_, contradictions)| !contradictions.is_empty()).collect();
            if found.is_empty() { Ok(()) } else { Err(format!("nodes contradict themselves (epoch, view): {found:?}")) }
        })
    }
}

/// No honest node is blocked by another. One that is back without its journal takes itself for an equivocator if the others have
/// certified what it proposed before: it has built another block for that view, which its guard has kept it from voting for.
/// Blocking oneself does nothing.
#[derive(Clone)]
pub struct NobodyBlocked {
    /// Nodes that are not honest.
    pub except: BTreeSet<PublicKey>,
}

impl Property<PublicKey, Member> for NobodyBlocked {
    fn name(&self) -> &str {
        "nobody_blocked"
    }

    fn check<'a>(&'a self, _: &'a ProgressTracker<PublicKey>, members: &'a [&'a Member]) -> Verdict<'a> {
        Box::pin(async move {
            let index = |of: &PublicKey| (0..u8::MAX).find(|index| key(*index).public_key() == *of);
            let blocked = members[0].oracle.blocked().await.unwrap();
            let honest: Vec<_> = blocked
                .iter()
                .filter(|(by, whom)| by != whom && !self.except.contains(by) && !self.except.contains(whom))
                .map(|(by, whom)| (index(by), index(whom)))
                .collect();
            if honest.is_empty() { Ok(()) } else { Err(format!("honest nodes are blocked (by, whom): {honest:?}")) }
        })
    }
}
