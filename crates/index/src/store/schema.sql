-- The read model. Everything here follows from the blocks and can be dropped and built again, row for row.
--
-- Ids of the ledger are BLOBs and stand in one table each; elsewhere the row's integer id stands for them. Rows are numbered
-- by the fold, so that they do not depend on how the tables were written.
-- Money (millionths), quantities (base units) and times (Unix ms) are 64-bit integers. Money and quantities are
-- unsigned on the ledger: values above 2^63 are kept as their two's complement, so they are never compared or added in SQL.

CREATE TABLE meta (
    only_row    INTEGER PRIMARY KEY CHECK (only_row = 1),
    chain       BLOB NOT NULL,
    height      INTEGER NOT NULL,
    time_ms     INTEGER NOT NULL,
    digest      BLOB NOT NULL,
    -- Running sums in millionths, and counts; those of rows that others name are also the numbers of the last ones.
    issued      INTEGER NOT NULL,
    redeemed    INTEGER NOT NULL,
    balances    INTEGER NOT NULL,
    transactions INTEGER NOT NULL,
    receipts    INTEGER NOT NULL,
    certificates INTEGER NOT NULL,
    statements  INTEGER NOT NULL,
    members     INTEGER NOT NULL,
    accounts    INTEGER NOT NULL,
    meters      INTEGER NOT NULL,
    offers      INTEGER NOT NULL,
    agreements  INTEGER NOT NULL,
    motions     INTEGER NOT NULL,
    -- First height after which the balances were not issued - redeemed; NULL while money is conserved.
    unbalanced_at INTEGER
);

CREATE TABLE blocks (
    height      INTEGER PRIMARY KEY,
    time_ms     INTEGER NOT NULL,
    digest      BLOB NOT NULL,
    first_receipt INTEGER NOT NULL,
    first_certificate INTEGER NOT NULL,
    header      BLOB NOT NULL
);
CREATE INDEX blocks_by_first_certificate ON blocks (first_certificate);

-- What each block did, in order. What a receipt or its transaction says is said nowhere again: movements of money,
-- statements, events and sealed quotes are read out of them.
CREATE TABLE receipts (
    id          INTEGER PRIMARY KEY,
    height      INTEGER NOT NULL,
    place       INTEGER NOT NULL,
    -- Of due work: what was due, and when.
    due         BLOB,
    -- Of a transaction: its place among the block's transactions, and its hash.
    transaction_place INTEGER,
    hash        BLOB,
    body        BLOB NOT NULL,
    -- The transaction as it was signed.
    signed      BLOB
);

-- Where a transaction is, by the first 8 bytes of its hash.
CREATE TABLE transaction_heads (
    head        INTEGER NOT NULL,
    receipt     INTEGER NOT NULL,
    PRIMARY KEY (head, receipt)
) WITHOUT ROWID;

-- Receipts that moved money of an account.
CREATE TABLE account_receipts (
    account     INTEGER NOT NULL,
    receipt     INTEGER NOT NULL,
    PRIMARY KEY (account, receipt)
) WITHOUT ROWID;

-- Receipts that concern an agreement.
CREATE TABLE agreement_receipts (
    agreement   INTEGER NOT NULL,
    receipt     INTEGER NOT NULL,
    PRIMARY KEY (agreement, receipt)
) WITHOUT ROWID;

CREATE TABLE members (
    id          INTEGER PRIMARY KEY,
    member      BLOB NOT NULL UNIQUE,
    roles       INTEGER NOT NULL,
    -- Whether the council has removed it, and its own limits.
    removed     INTEGER NOT NULL,
    limits      BLOB,
    height      INTEGER NOT NULL
);

-- Motions of the council; a label can be used again when a motion is over.
CREATE TABLE motions (
    id          INTEGER PRIMARY KEY,
    motion      BLOB NOT NULL,
    proposer    INTEGER NOT NULL,
    closes_ms   INTEGER NOT NULL,
    -- open, carried, rejected, lapsed, failed
    status      TEXT NOT NULL,
    refusal     BLOB,
    receipt     INTEGER NOT NULL,
    -- The receipt that ended it.
    ended       INTEGER,
    body        BLOB NOT NULL
);
CREATE INDEX motions_by_motion ON motions (motion, id);

-- The last vote of each member.
CREATE TABLE motion_votes (
    motion      INTEGER NOT NULL,
    member      INTEGER NOT NULL,
    in_favour   INTEGER NOT NULL,
    receipt     INTEGER NOT NULL,
    PRIMARY KEY (motion, member)
) WITHOUT ROWID;

-- The validators that the council wants, and the last epoch in which each has shown that it is ready.
CREATE TABLE appointed (
    member      INTEGER PRIMARY KEY,
    validator   BLOB NOT NULL,
    ready       INTEGER
);

-- The validators of epochs: each set with the first epoch it is for.
CREATE TABLE validator_sets (
    version     INTEGER PRIMARY KEY,
    epoch       INTEGER NOT NULL,
    body        BLOB NOT NULL
);

CREATE TABLE accounts (
    id          INTEGER PRIMARY KEY,
    account     BLOB NOT NULL UNIQUE,
    member      INTEGER NOT NULL,
    free        INTEGER NOT NULL,
    reserved    INTEGER NOT NULL,
    nonce       INTEGER NOT NULL,
    height      INTEGER NOT NULL
);
CREATE INDEX accounts_by_member ON accounts (member);

CREATE TABLE capacities (
    owner       INTEGER NOT NULL,
    carrier     INTEGER NOT NULL,
    per_hour    INTEGER NOT NULL,
    PRIMARY KEY (owner, carrier)
) WITHOUT ROWID;

-- An id can be used again once its offer is over: then the last row counts.
CREATE TABLE offers (
    id          INTEGER PRIMARY KEY,
    offer       BLOB NOT NULL,
    owner       INTEGER NOT NULL,
    gate_ms     INTEGER NOT NULL,
    lapses_ms   INTEGER NOT NULL,
    receipt     INTEGER NOT NULL,
    -- 'withdrawn' or 'lapsed'; NULL as long as it stands.
    closed      TEXT,
    -- What of each lot is awarded.
    awarded     BLOB NOT NULL,
    body        BLOB NOT NULL
);
CREATE INDEX offers_by_offer ON offers (offer);
CREATE INDEX offers_by_owner ON offers (owner);

-- Quotes by the offer, the bidder and where they were submitted: the receipt, and the place in its transaction.
CREATE TABLE quotes (
    offer       INTEGER NOT NULL,
    bidder      INTEGER NOT NULL,
    receipt     INTEGER NOT NULL,
    place       INTEGER NOT NULL,
    binding     INTEGER NOT NULL,
    status      TEXT NOT NULL,
    -- Of awarded quotes only.
    agreement   INTEGER,
    opening     BLOB,
    -- Why an award could not be concluded.
    refusal     BLOB,
    PRIMARY KEY (offer, bidder, receipt, place)
) WITHOUT ROWID;

-- An id can be used again once its agreement was declined or has expired: then the last row counts.
CREATE TABLE agreements (
    id          INTEGER PRIMARY KEY,
    agreement   BLOB NOT NULL,
    kind        TEXT NOT NULL,
    status      TEXT NOT NULL,
    origin      BLOB NOT NULL,
    offer       INTEGER,
    terms       BLOB NOT NULL,
    sign_by_ms  INTEGER NOT NULL,
    ends_ms     INTEGER,
    -- Whether a meter serves it without an end.
    open        INTEGER NOT NULL,
    receipt     INTEGER NOT NULL
);
CREATE INDEX agreements_by_agreement ON agreements (agreement);

-- Agreements by their parties' accounts.
CREATE TABLE agreement_parties (
    account     INTEGER NOT NULL,
    agreement   INTEGER NOT NULL,
    PRIMARY KEY (account, agreement)
) WITHOUT ROWID;

CREATE TABLE agreement_counts (
    kind        TEXT NOT NULL,
    status      TEXT NOT NULL,
    count       INTEGER NOT NULL,
    PRIMARY KEY (kind, status)
) WITHOUT ROWID;

-- What happened to an agreement, in order: every signature and every change of status.
CREATE TABLE agreement_steps (
    agreement   INTEGER NOT NULL,
    receipt     INTEGER NOT NULL,
    -- Among the steps of the block that brought it.
    place       INTEGER NOT NULL,
    step        TEXT NOT NULL,
    account     INTEGER,
    terms       BLOB,
    at_ms       INTEGER,
    PRIMARY KEY (agreement, receipt, place)
) WITHOUT ROWID;

-- The amendment of an agreement that waits for signatures.
CREATE TABLE amendments (
    agreement   INTEGER PRIMARY KEY,
    proposer    BLOB NOT NULL,
    from_ms     INTEGER NOT NULL,
    receipt     INTEGER NOT NULL,
    terms       BLOB NOT NULL
);

CREATE TABLE debts (
    agreement   INTEGER NOT NULL,
    party       INTEGER NOT NULL,
    owes        INTEGER NOT NULL,
    receipt     INTEGER NOT NULL,
    PRIMARY KEY (agreement, party)
) WITHOUT ROWID;

CREATE TABLE meters (
    id          INTEGER PRIMARY KEY,
    meter       BLOB NOT NULL UNIQUE,
    operator    INTEGER NOT NULL,
    carrier     INTEGER NOT NULL,
    holder      INTEGER NOT NULL,
    authority   BLOB NOT NULL,
    modulus     INTEGER NOT NULL,
    capacity    INTEGER NOT NULL,
    register    INTEGER NOT NULL,
    read_ms     INTEGER NOT NULL,
    since_ms    INTEGER NOT NULL,
    -- Since when its device is there.
    device_since_ms INTEGER NOT NULL,
    devices     INTEGER NOT NULL,
    certificates INTEGER NOT NULL,
    gaps        INTEGER NOT NULL,
    corrections INTEGER NOT NULL,
    retired     INTEGER
);
CREATE INDEX meters_by_holder ON meters (holder);
CREATE INDEX meters_by_operator ON meters (operator);
CREATE INDEX meters_by_authority ON meters (authority);

-- Who held a meter, and when.
CREATE TABLE meter_holders (
    meter       INTEGER NOT NULL,
    account     INTEGER NOT NULL,
    from_ms     INTEGER NOT NULL,
    to_ms       INTEGER NOT NULL,
    PRIMARY KEY (meter, from_ms)
) WITHOUT ROWID;
CREATE INDEX meter_holders_by_account ON meter_holders (account);

CREATE TABLE certified_runs (
    -- Id of the first certificate; the others follow.
    id          INTEGER PRIMARY KEY,
    -- Place in the certification log.
    position    INTEGER NOT NULL,
    meter       INTEGER NOT NULL,
    from_ms     INTEGER NOT NULL,
    to_ms       INTEGER NOT NULL,
    readings    BLOB NOT NULL,
    -- Who has signed them, as a number.
    signed_by   INTEGER NOT NULL,
    -- The record in which the device has signed them.
    signed      BLOB
);
CREATE INDEX certified_runs_by_meter ON certified_runs (meter, from_ms);

-- Which meters serve or served an agreement, and when: its readings are found by this.
CREATE TABLE agreement_meters (
    agreement   INTEGER NOT NULL,
    meter       INTEGER NOT NULL,
    from_ms     INTEGER NOT NULL,
    to_ms       INTEGER NOT NULL,
    PRIMARY KEY (agreement, meter)
) WITHOUT ROWID;

CREATE INDEX agreement_meters_by_meter ON agreement_meters (meter);

-- Events that say something of a meter: segments, gaps, corrections, what nobody was supplied with.
CREATE TABLE meter_events (
    meter       INTEGER NOT NULL,
    receipt     INTEGER NOT NULL,
    -- Among the receipt's events.
    place       INTEGER NOT NULL,
    kind        TEXT NOT NULL,
    PRIMARY KEY (meter, receipt, place)
) WITHOUT ROWID;

-- What was certified of a meter's interval, and what is right.
CREATE TABLE corrections (
    meter       INTEGER NOT NULL,
    from_ms     INTEGER NOT NULL,
    to_ms       INTEGER NOT NULL,
    receipt     INTEGER NOT NULL,
    place       INTEGER NOT NULL,
    certified   INTEGER NOT NULL,
    correct     INTEGER NOT NULL,
    PRIMARY KEY (meter, from_ms, receipt, place)
) WITHOUT ROWID;

CREATE TABLE packages (
    id          INTEGER PRIMARY KEY,
    package     BLOB NOT NULL,
    version     INTEGER NOT NULL,
    owner       INTEGER NOT NULL,
    receipt     INTEGER NOT NULL,
    -- The receipt that closed it to new subscriptions.
    closed      INTEGER,
    body        BLOB NOT NULL,
    UNIQUE (package, version)
);

-- Programs that parties have published; their code is in the transaction of the receipt.
CREATE TABLE programs (
    id          INTEGER PRIMARY KEY,
    program     BLOB NOT NULL UNIQUE,
    publisher   INTEGER NOT NULL,
    receipt     INTEGER NOT NULL,
    engine      INTEGER NOT NULL,
    code        BLOB NOT NULL,
    bytes       INTEGER NOT NULL,
    manifest    BLOB NOT NULL
);

CREATE TABLE price_indices (
    id          INTEGER PRIMARY KEY,
    price_index BLOB NOT NULL UNIQUE,
    publisher   INTEGER NOT NULL,
    receipt     INTEGER NOT NULL,
    body        BLOB NOT NULL
);

CREATE TABLE index_values (
    id          INTEGER PRIMARY KEY,
    price_index BLOB NOT NULL,
    receipt     INTEGER NOT NULL,
    begins      INTEGER NOT NULL,
    ends        INTEGER NOT NULL,
    micro       INTEGER NOT NULL,
    UNIQUE (price_index, begins)
);

CREATE TABLE tranches (
    agreement   INTEGER NOT NULL,
    carrier     INTEGER NOT NULL,
    tranche     INTEGER NOT NULL,
    paid        INTEGER NOT NULL,
    from_ms     INTEGER,
    to_ms       INTEGER,
    receipt     INTEGER NOT NULL,
    -- From here on: once the meter has passed the payment.
    debt_paid   INTEGER,
    left        INTEGER,
    discount_permille INTEGER,
    opened      INTEGER,
    charged     INTEGER NOT NULL,
    refunded    INTEGER NOT NULL,
    withheld    INTEGER NOT NULL,
    PRIMARY KEY (agreement, carrier, tranche)
) WITHOUT ROWID;

CREATE TABLE statements (
    id          INTEGER PRIMARY KEY,
    agreement   INTEGER NOT NULL,
    number      INTEGER NOT NULL,
    from_ms     INTEGER NOT NULL,
    to_ms       INTEGER NOT NULL,
    receipt     INTEGER NOT NULL,
    -- Among the receipt's events.
    place       INTEGER NOT NULL,
    UNIQUE (agreement, number)
);

CREATE TABLE refusals (
    -- Names the receipt and the place among its refusals.
    id          INTEGER PRIMARY KEY,
    receipt     INTEGER NOT NULL,
    code        TEXT NOT NULL,
    body        BLOB NOT NULL,
    -- Who sent the transaction that it was in.
    account     BLOB,
    -- Of a reading: its place in the batch, and its meter.
    place       INTEGER,
    meter       BLOB,
    -- Of an award: the offer and the bidder.
    offer       BLOB,
    bidder      BLOB
);
-- By whom each is told to.
CREATE INDEX refusals_by_account ON refusals (account) WHERE account IS NOT NULL;
CREATE INDEX refusals_by_meter ON refusals (meter) WHERE meter IS NOT NULL;
CREATE INDEX refusals_by_offer ON refusals (offer) WHERE offer IS NOT NULL;
CREATE INDEX refusals_by_bidder ON refusals (bidder) WHERE bidder IS NOT NULL;

CREATE TABLE refusal_counts (
    code        TEXT PRIMARY KEY,
    transactions INTEGER NOT NULL,
    readings    INTEGER NOT NULL,
    awards      INTEGER NOT NULL
) WITHOUT ROWID;
