//! How members sign: the engine's Ed25519 scheme behind this member's [vote guard](crate::guard).
//!
//! Verifying is the engine's. Only consensus signs, and each of its votes passes the guard first; a vote that is not allowed is
//! an abstention.

use crate::guard::{Guard, vote};
use commonware_codec::Read;
use commonware_consensus::simplex::{scheme::ed25519, types::Subject};
use commonware_cryptography::{
    Digest,
    certificate::{self, AssemblyError, Attestation, Membership, Scheme as CertificateScheme, Verification, Verifier},
    ed25519::{PrivateKey, PublicKey},
};
use commonware_parallel::Strategy;
use commonware_utils::{iter::NonEmpty, non_empty, ordered::Set};
use rand_core::CryptoRng;
use std::sync::Arc;

/// Who signs for this node, if anybody does.
#[derive(Clone)]
pub(crate) struct Voter {
    pub key: PrivateKey,
    /// None: nothing is remembered outside of the data folder, which only suits a validator that is alone.
    pub guard: Option<Arc<Guard>>,
}

/// The scheme of one set of validators.
#[derive(Clone, Debug)]
pub(crate) struct Scheme {
    inner: ed25519::Scheme,
    guard: Option<Arc<Guard>>,
}

impl Scheme {
    /// Of a set in which `voter` signs, if its key is one of them.
    pub fn new(namespace: &[u8], validators: Set<PublicKey>, voter: Option<&Voter>) -> Self {
        let signer = voter.and_then(|voter| {
            let inner = ed25519::Scheme::signer(namespace, validators.clone(), voter.key.clone())?;
            Some(Self { inner, guard: voter.guard.clone() })
        });
        signer.unwrap_or_else(|| Self { inner: ed25519::Scheme::verifier(namespace, validators), guard: None })
    }
}

fn outer(attestation: Attestation<ed25519::Scheme>) -> Attestation<Scheme> {
    Attestation { signer: attestation.signer, signature: attestation.signature }
}

fn inner(attestation: Attestation<Scheme>) -> Attestation<ed25519::Scheme> {
    Attestation { signer: attestation.signer, signature: attestation.signature }
}

impl Verifier for Scheme {
    type Subject<'a, D: Digest> = Subject<'a, D>;
    type Faults = <ed25519::Scheme as Verifier>::Faults;
    type PublicKey = PublicKey;
    type Certificate = <ed25519::Scheme as Verifier>::Certificate;

    fn verify_certificate<R: CryptoRng, D: Digest>(
        &self,
        rng: &mut R,
        subject: Subject<'_, D>,
        certificate: &Self::Certificate,
        strategy: &impl Strategy,
    ) -> bool {
        self.inner.verify_certificate(rng, subject, certificate, strategy)
    }

    fn verify_certificates<'a, R, D, I>(&self, rng: &mut R, certificates: NonEmpty<I>, strategy: &impl Strategy) -> bool
    where
        R: CryptoRng,
        D: Digest,
        I: Iterator<Item = (Subject<'a, D>, &'a Self::Certificate)>,
    {
        self.inner.verify_certificates::<R, D, I>(rng, certificates, strategy)
    }

    fn is_batchable() -> bool {
        ed25519::Scheme::is_batchable()
    }

    fn max_certificate_size(participants: u32) -> usize {
        ed25519::Scheme::max_certificate_size(participants)
    }

    fn certificate_codec_config(&self) -> <Self::Certificate as Read>::Cfg {
        self.inner.certificate_codec_config()
    }

    fn certificate_codec_config_unbounded() -> <Self::Certificate as Read>::Cfg {
        ed25519::Scheme::certificate_codec_config_unbounded()
    }
}

impl CertificateScheme for Scheme {
    type Signature = <ed25519::Scheme as CertificateScheme>::Signature;

    fn me(&self) -> Option<Membership> {
        self.inner.me()
    }

    fn participants(&self) -> &Set<PublicKey> {
        self.inner.participants()
    }

    fn sign<D: Digest>(&self, subject: Subject<'_, D>) -> Option<Attestation<Self>> {
        if let Some(guard) = &self.guard {
            let (round, vote) = vote(&subject);
            if !guard.allows(round, vote) {
                return None;
            }
        }
        self.inner.sign(subject).map(outer)
    }

    fn verify_attestation<R: CryptoRng, D: Digest>(
        &self,
        rng: &mut R,
        subject: Subject<'_, D>,
        attestation: &Attestation<Self>,
        strategy: &impl Strategy,
    ) -> bool {
        self.inner.verify_attestation(rng, subject, &inner(attestation.clone()), strategy)
    }

    fn verify_attestations<R, D, I>(
        &self,
        rng: &mut R,
        subject: Subject<'_, D>,
        attestations: I,
        strategy: &impl Strategy,
    ) -> Verification<Self>
    where
        R: CryptoRng,
        D: Digest,
        I: IntoIterator<Item = Attestation<Self>>,
        I::IntoIter: Send,
    {
        let verified = self.inner.verify_attestations(rng, subject, attestations.into_iter().map(inner), strategy);
        Verification::new(verified.verified.into_iter().map(outer).collect(), verified.invalid)
    }

    fn optimistic_assemble<'a, R, D, I, J>(
        &self,
        rng: &mut R,
        subject: Subject<'_, D>,
        pending: I,
        verified: J,
        strategy: &impl Strategy,
    ) -> Result<Self::Certificate, Verification<Self>>
    where
        R: CryptoRng,
        D: Digest,
        I: IntoIterator<Item = Attestation<Self>>,
        I::IntoIter: ExactSizeIterator + Send,
        J: IntoIterator<Item = &'a Attestation<Self>>,
        J::IntoIter: Send,
    {
        certificate::verify_then_assemble::<Self, _, D, _, _>(self, rng, subject, pending, verified, strategy)
    }

    fn assemble<I>(
        &self,
        attestations: NonEmpty<I>,
        strategy: &impl Strategy,
    ) -> Result<Self::Certificate, AssemblyError>
    where
        I: Iterator<Item = Attestation<Self>> + Send,
    {
        self.inner.assemble(non_empty![@attestations.into_iter().map(inner)], strategy)
    }

    fn is_attributable() -> bool {
        ed25519::Scheme::is_attributable()
    }
}
