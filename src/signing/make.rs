//! Generates keys, and turns stored ones into their signing and public parts. The generator is aws-lc's, seeded by the
//! operating system; it uses none of our randomness.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa;
use aws_lc_rs::signature::Ed25519KeyPair;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey};

use crate::error::{Error, Result};
use crate::model::SigningAlgorithm;
use crate::model::signing::{FreshKey, PrivateKey};

pub fn fresh(algorithm: SigningAlgorithm) -> Result<FreshKey> {
    let failed = |_| Error::unavailable("a signing key could not be generated");
    let private = match algorithm {
        SigningAlgorithm::Rs256 => {
            let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).map_err(failed)?;
            let document: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
            document.as_ref().to_vec()
        }
        SigningAlgorithm::EdDSA => {
            let pair = Ed25519KeyPair::generate().map_err(failed)?;
            pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec()
        }
    };
    described(algorithm, PrivateKey::new(private))
}

/// An operator's key: RSA of 2,048 bits or more, or Ed25519, with its document in canonical form.
pub fn adopt_pkcs8(der: &[u8]) -> Option<Result<FreshKey>> {
    if let Ok(pair) = rsa::KeyPair::from_pkcs8(der) {
        return adopt_rsa(&pair);
    }
    let document = Ed25519KeyPair::from_pkcs8(der).ok()?.to_pkcs8v1().ok()?;
    Some(described(SigningAlgorithm::EdDSA, PrivateKey::new(document.as_ref().to_vec())))
}

/// An operator's key in the older, RSA-only form (RFC 8017 §A.1.2).
pub fn adopt_pkcs1(der: &[u8]) -> Option<Result<FreshKey>> {
    adopt_rsa(&rsa::KeyPair::from_der(der).ok()?)
}

fn adopt_rsa(pair: &rsa::KeyPair) -> Option<Result<FreshKey>> {
    let document: Pkcs8V1Der<'_> = pair.as_der().ok()?;
    Some(described(SigningAlgorithm::Rs256, PrivateKey::new(document.as_ref().to_vec())))
}

fn described(algorithm: SigningAlgorithm, private: PrivateKey) -> Result<FreshKey> {
    let kid = public(algorithm, &signer(algorithm, &private)?)?.common.key_id.unwrap_or_default();
    Ok(FreshKey { kid, algorithm, private })
}

pub fn signer(algorithm: SigningAlgorithm, private: &PrivateKey) -> Result<EncodingKey> {
    match algorithm {
        SigningAlgorithm::EdDSA => Ok(EncodingKey::from_ed_der(private.expose())),
        SigningAlgorithm::Rs256 => rsa_private_key(private.expose())
            .map(EncodingKey::from_rsa_der)
            .ok_or_else(|| Error::conflict("An RSA signing key is not a PKCS#8 document.")),
    }
}

/// The RSAPrivateKey inside a PKCS#8 document (RFC 5208 §5). From 2,048 bits on, every length in it has two bytes, so
/// headers differ only in the lengths; the signing code parses it.
fn rsa_private_key(pkcs8: &[u8]) -> Option<&[u8]> {
    const MIDDLE: [u8; 18] =
        [0x02, 0x01, 0x00, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let (head, rest) = pkcs8.split_at_checked(4)?;
    let (middle, rest) = rest.split_at_checked(MIDDLE.len())?;
    let (octets, inner) = rest.split_at_checked(4)?;
    (head.starts_with(&[0x30, 0x82]) && middle == MIDDLE && octets.starts_with(&[0x04, 0x82])).then_some(inner)
}

/// The published form: the public part, its use and algorithm, and its thumbprint as the key id.
pub fn public(algorithm: SigningAlgorithm, key: &EncodingKey) -> Result<Jwk> {
    let unusable = |error| Error::conflict(format!("A signing key cannot be used: {error}."));
    let mut jwk = Jwk::from_encoding_key(key, jwt_algorithm(algorithm)).map_err(unusable)?;
    jwk.common.key_id = Some(jwk.thumbprint(ThumbprintHash::SHA256).map_err(unusable)?);
    jwk.common.public_key_use = Some(PublicKeyUse::Signature);
    Ok(jwk)
}

pub fn jwt_algorithm(algorithm: SigningAlgorithm) -> Algorithm {
    match algorithm {
        SigningAlgorithm::Rs256 => Algorithm::RS256,
        SigningAlgorithm::EdDSA => Algorithm::EdDSA,
    }
}
