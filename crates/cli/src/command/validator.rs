//! `utilidor validator`: whose nodes take part in consensus, and with which keys.

use super::council::{MotionArguments, propose};
use super::node::VALIDATOR;
use super::show_done;
use crate::context::Context;
use crate::failure::Failure;
use crate::ids::Given;
use crate::said;
use clap::Subcommand;
use serde_json::json;
use utilidor_types::{Decision, MemberId, NodeAddress, PublicKey};

/// What is asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Move that a council member's node take part with a key at an address
    #[command(after_help = "\
A first node, another key in place of the present one, or the same key at another address. A new key counts from the epoch after
the one in which its node has shown that it is ready ('utilidor validator ready').

Example:
  utilidor validator appoint 77aa --key ed25519:12ab... --address node.north.example:4700 --as north")]
    Appoint {
        /// The member
        member: Given<MemberId>,
        /// Its node's public key: 'utilidor keys show validator' in the node's folder prints it
        #[arg(long)]
        key: PublicKey,
        /// Where the other members' nodes reach it
        #[arg(long)]
        address: Option<NodeAddress>,
        /// The motion
        #[command(flatten)]
        motion: MotionArguments,
    },
    /// Move that a member's node take part no longer
    Dismiss {
        /// The member
        member: Given<MemberId>,
        /// The motion
        #[command(flatten)]
        motion: MotionArguments,
    },
    /// Show that an appointed node is ready, in the present epoch
    #[command(after_help = "\
Signs with the node's key, and submits with the key that acts. Do it when the node follows the chain; it counts for the epoch in
which it is given.

Example:
  utilidor validator ready --as north")]
    Ready {
        /// Name of the node's key in the keystore
        #[arg(long, value_name = "KEY", default_value = VALIDATOR)]
        node_key: String,
    },
}

/// Does it.
pub async fn run(command: Command, context: Context) -> Result<(), Failure> {
    match command {
        Command::Appoint { member, key, address, motion } => {
            let member = context.id(&member).await?;
            let made = json!({ "member": member, "key": key });
            propose(Decision::AppointValidator { member, key, address }, motion, made, &context).await
        }
        Command::Dismiss { member, motion } => {
            let member = context.id(&member).await?;
            propose(Decision::DismissValidator { member }, motion, json!({ "member": member }), &context).await
        }
        Command::Ready { node_key } => {
            let council = context.client()?.council().await?;
            let epoch = council.epoch.ok_or_else(|| {
                let what = said!(
                    "the validators of this chain never change, or it has no block yet",
                    "本链的验证方不会改变，或链上还没有区块"
                );
                Failure::new("validator/fixed", what)
            })?;
            let node = context.signing_key(&node_key)?;
            let done = context.account().await?.prove_ready(&node, epoch.number, epoch.after).await?;
            show_done(context.out, &done, json!({ "key": node.public_key(), "epoch": epoch.number }));
            Ok(())
        }
    }
}
