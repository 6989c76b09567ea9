//! Ids, labels, digests and sealing; and what the bytes of a transaction say.

use crate::{Failed, parse, read, write};
use serde::Serialize;
use utilidor_sdk::core::{create, random, seal};
use utilidor_types::council::Motion;
use utilidor_types::quote::QuoteLine;
use utilidor_types::transaction::MAX_TRANSACTION_BYTES;
use utilidor_types::{
    AccountId, AgreementId, AgreementTerms, Label, MotionId, Offer, OfferId, Opening, PackageId, SealedQuote,
    SubscriptionTerms, Transaction, decode,
};
use wasm_bindgen::prelude::wasm_bindgen;

/// A sealed quote with what it says.
#[derive(Serialize)]
struct Quoted {
    quote: SealedQuote,
    opening: Opening,
}

/// Terms with the digest that a signature under them names.
#[derive(Serialize)]
struct Digested {
    terms: AgreementTerms,
    digest: utilidor_types::Digest,
}

/// What a transaction's bytes say, in JSON: what is shown before they are signed.
#[wasm_bindgen]
pub fn decode_transaction(bytes: &[u8]) -> Result<String, Failed> {
    let transaction: Transaction =
        decode(bytes, MAX_TRANSACTION_BYTES).map_err(|error| Failed::of("the bytes are no transaction", &error))?;
    write(&transaction)
}

/// For how many milliseconds a motion is open unless it says otherwise.
#[wasm_bindgen]
pub fn default_open_ms() -> u32 {
    const MS: u32 = utilidor_types::council::DEFAULT_OPEN_MS as u32;
    const { assert!(MS as u64 == utilidor_types::council::DEFAULT_OPEN_MS) };
    MS
}

/// A label for something that nobody needs to call by a name.
#[wasm_bindgen]
pub fn new_label() -> Result<String, Failed> {
    let label = random::label().map_err(|error| Failed::of("there is no new label", &error))?;
    Ok(label.to_string())
}

/// The label of a name.
#[wasm_bindgen]
pub fn label_of(name: &str) -> String {
    Label::of_text(name).to_string()
}

/// The label of the agreement that an award makes, the same each time.
#[wasm_bindgen]
pub fn award_label(offer: &str, offered: &str, bidder: &str) -> Result<String, Failed> {
    let (offer, offered) = (parse("offer", offer)?, parse("the offer's digest", offered)?);
    Ok(create::award_label(offer, offered, parse("account", bidder)?).to_string())
}

/// The id of an offer that `owner` calls by a label.
#[wasm_bindgen]
pub fn offer_id(owner: &str, label: &str) -> Result<String, Failed> {
    Ok(OfferId::of(parse::<AccountId>("account", owner)?, parse("label", label)?).to_string())
}

/// The id of a package that `owner` calls by a label.
#[wasm_bindgen]
pub fn package_id(owner: &str, label: &str) -> Result<String, Failed> {
    Ok(PackageId::of(parse::<AccountId>("account", owner)?, parse("label", label)?).to_string())
}

/// The id of a motion that its proposer calls by a label.
#[wasm_bindgen]
pub fn motion_id(proposer: &str, label: &str) -> Result<String, Failed> {
    Ok(MotionId::of(parse::<AccountId>("account", proposer)?, parse("label", label)?).to_string())
}

/// The digest of a motion: what a vote names. `motion` in JSON.
#[wasm_bindgen]
pub fn motion_digest(motion: &str) -> Result<String, Failed> {
    Ok(read::<Motion>("the motion", motion)?.digest().to_string())
}

/// The id of an agreement that its creator calls by a label.
#[wasm_bindgen]
pub fn agreement_id(creator: &str, label: &str) -> Result<String, Failed> {
    Ok(AgreementId::of(parse::<AccountId>("account", creator)?, parse("label", label)?).to_string())
}

/// Seals a quote on an offer of `owner`, which is given as it was read: JSON with `quote`, which the action of submitting takes, and `opening`, which is what it says.
#[wasm_bindgen]
pub fn seal_quote(
    chain: &str,
    bidder: &str,
    owner: &str,
    offer: &str,
    lines: &str,
    binding: bool,
) -> Result<String, Failed> {
    let offer: Offer = read("the offer", offer)?;
    let lines: Vec<QuoteLine> = read("the quote", lines)?;
    let opening = random::opening(lines).map_err(|error| Failed::of("there is no quote", &error))?;
    let (chain, owner, bidder) = (parse("chain", chain)?, parse("account", owner)?, parse("account", bidder)?);
    let quote = seal::seal_quote(&opening, (owner, &offer), chain, bidder, binding)
        .map_err(|error| Failed::of("the quote cannot be sealed", &error))?;
    write(&Quoted { quote, opening })
}

/// The terms of the agreement that awarding a quote makes, with their digest, in JSON.
#[wasm_bindgen]
pub fn award_terms(offer: &str, owner: &str, bidder: &str, opening: &str) -> Result<String, Failed> {
    let (offer, opening): (Offer, Opening) = (read("the offer", offer)?, read("the quote", opening)?);
    digested(offer.agreement_terms(parse("account", owner)?, parse("account", bidder)?, &opening))
}

/// The digest of terms: what is signed. `terms` in JSON.
#[wasm_bindgen]
pub fn terms_digest(terms: &str) -> Result<String, Failed> {
    let terms: AgreementTerms = read("the terms", terms)?;
    Ok(terms.digest().to_string())
}

/// The terms of a subscription between a package's owner and a user, with their digest, in JSON.
#[wasm_bindgen]
pub fn subscription_terms(owner: &str, user: &str, terms: &str) -> Result<String, Failed> {
    let terms: SubscriptionTerms = read("the subscription", terms)?;
    let program = utilidor_types::Program::Subscription(terms);
    digested(AgreementTerms::between(parse("account", owner)?, parse("account", user)?, program))
}

fn digested(terms: AgreementTerms) -> Result<String, Failed> {
    let digest = terms.digest();
    write(&Digested { terms, digest })
}
