// Says what another's verifier makes of an OCMF record: verify.cjs RECORD KEY, the key as DER in hex.
const { Verifier } = require('@road-labs/ocmf');
const { Crypto } = require('@road-labs/ocmf-crypto-noble');

async function main([record, key]) {
  const crypto = new Crypto();
  const publicKey = await crypto.decodeEcPublicKey(Buffer.from(key, 'hex'), 'spki-der');
  const { verified } = await new Verifier(crypto).parseAndVerify(record, publicKey);
  console.log(verified ? 'True' : 'False');
}

main(process.argv.slice(2));
