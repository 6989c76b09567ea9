-- The read model. Everything here follows from the blocks and can be dropped and built again.
--
-- Ids of the ledger are BLOBs and stand in one table each; elsewhere the row's integer id stands for them.
-- Money (millionths), quantities (base units) and times (Unix ms) are 64-bit integers. Money and quantities are
-- unsigned on the ledger: values above 2^63 are kept as their two's complement, so they are never compared in SQL.

CREATE TABLE meta (
    only_row    INTEGER PRIMARY KEY CHECK (only_row = 1),
    chain       BLOB NOT NULL,
    height      INTEGER NOT NULL,
    time_ms     INTEGER NOT NULL,
    digest      BLOB NOT NULL,
    -- Running sums in millionths and counts.
    issued      INTEGER NOT NULL,
    redeemed    INTEGER NOT NULL,
    balances    INTEGER NOT NULL,
    transactions INTEGER NOT NULL,
    certificates INTEGER NOT NULL,
    statements  INTEGER NOT NULL,
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
-- statements and sealed quotes are read out of them.
CREATE TABLE receipts (
    id          INTEGER PRIMARY KEY,
    height      INTEGER NOT NULL,
    place       INTEGER NOT NULL,
    -- Of due work: when it was due.
    due_ms      INTEGER,
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

-- Receipts that moved money of an agreement.
CREATE TABLE agreement_receipts (
    agreement   INTEGER NOT NULL,
    receipt     INTEGER NOT NULL,
    PRIMARY KEY (agreement, receipt)
) WITHOUT ROWID;

CREATE TABLE members (
    id          INTEGER PRIMARY KEY,
    member      BLOB NOT NULL UNIQUE,
    roles       INTEGER NOT NULL,
    height      INTEGER NOT NULL
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

CREATE TABLE offers (
    id          INTEGER PRIMARY KEY,
    offer       BLOB NOT NULL UNIQUE,
    owner       INTEGER NOT NULL,
    gate_ms     INTEGER NOT NULL,
    from_ms     INTEGER NOT NULL,
    to_ms       INTEGER NOT NULL,
    receipt     INTEGER NOT NULL,
    withdrawn   INTEGER,
    body        BLOB NOT NULL
);
CREATE INDEX offers_by_owner ON offers (owner);

CREATE TABLE lots (
    offer       INTEGER NOT NULL,
    lot         INTEGER NOT NULL,
    carrier     INTEGER NOT NULL,
    quantity    INTEGER NOT NULL,
    awarded     INTEGER NOT NULL,
    PRIMARY KEY (offer, lot)
) WITHOUT ROWID;

-- Quotes by the offer, the bidder and where they were submitted: the receipt, and the place in its transaction.
CREATE TABLE quotes (
    offer       INTEGER NOT NULL,
    bidder      INTEGER NOT NULL,
    receipt     INTEGER NOT NULL,
    place       INTEGER NOT NULL,
    binding     INTEGER NOT NULL,
    status      TEXT NOT NULL,
    -- From here on: of awarded quotes only.
    agreement   INTEGER,
    opening     BLOB,
    PRIMARY KEY (offer, bidder, receipt, place)
) WITHOUT ROWID;

CREATE TABLE agreements (
    id          INTEGER PRIMARY KEY,
    agreement   BLOB NOT NULL UNIQUE,
    owner       INTEGER NOT NULL,
    user        INTEGER NOT NULL,
    kind        TEXT NOT NULL,
    status      TEXT NOT NULL,
    origin      BLOB NOT NULL,
    offer       INTEGER,
    terms       BLOB NOT NULL,
    sign_by_ms  INTEGER NOT NULL
);
CREATE INDEX agreements_by_owner ON agreements (owner);
CREATE INDEX agreements_by_user ON agreements (user);

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
    PRIMARY KEY (agreement, receipt, place)
) WITHOUT ROWID;

CREATE TABLE amendments (
    id          INTEGER PRIMARY KEY,
    agreement   INTEGER NOT NULL,
    digest      BLOB NOT NULL,
    terms       BLOB NOT NULL,
    UNIQUE (agreement, digest)
);

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
    devices     INTEGER NOT NULL,
    certificates INTEGER NOT NULL,
    retired     INTEGER
);
CREATE INDEX meters_by_holder ON meters (holder);

CREATE TABLE certified_runs (
    -- Id of the first certificate; the others follow.
    id          INTEGER PRIMARY KEY,
    -- Place in the certification log.
    position    INTEGER NOT NULL,
    meter       INTEGER NOT NULL,
    from_ms     INTEGER NOT NULL,
    to_ms       INTEGER NOT NULL,
    subscription INTEGER,
    readings    BLOB NOT NULL
);
CREATE INDEX certified_runs_by_meter ON certified_runs (meter, from_ms);

-- Which meters have measured for a subscription, so that its certified runs are found through its meters. A purchase's
-- terms name its meters.
CREATE TABLE subscription_meters (
    subscription INTEGER NOT NULL,
    meter       INTEGER NOT NULL,
    PRIMARY KEY (subscription, meter)
) WITHOUT ROWID;

CREATE TABLE gaps (
    id          INTEGER PRIMARY KEY,
    meter       INTEGER NOT NULL,
    from_ms     INTEGER NOT NULL,
    to_ms       INTEGER NOT NULL,
    receipt     INTEGER NOT NULL
);
CREATE INDEX gaps_by_meter ON gaps (meter);

CREATE TABLE packages (
    id          INTEGER PRIMARY KEY,
    package     BLOB NOT NULL,
    version     INTEGER NOT NULL,
    owner       INTEGER NOT NULL,
    receipt     INTEGER NOT NULL,
    body        BLOB NOT NULL,
    UNIQUE (package, version)
);

CREATE TABLE tranches (
    id          INTEGER PRIMARY KEY,
    subscription INTEGER NOT NULL,
    carrier     INTEGER NOT NULL,
    tranche     INTEGER NOT NULL,
    paid        INTEGER NOT NULL,
    discount_permille INTEGER NOT NULL,
    from_ms     INTEGER,
    to_ms       INTEGER,
    receipt     INTEGER NOT NULL,
    weight      INTEGER NOT NULL,
    charged     INTEGER NOT NULL,
    refunded    INTEGER NOT NULL,
    withheld    INTEGER NOT NULL,
    UNIQUE (subscription, carrier, tranche)
);

CREATE TABLE notices (
    id          INTEGER PRIMARY KEY,
    subscription INTEGER NOT NULL,
    carrier     INTEGER NOT NULL,
    kind        TEXT NOT NULL,
    receipt     INTEGER NOT NULL
);
CREATE INDEX notices_by_subscription ON notices (subscription);

CREATE TABLE statements (
    id          INTEGER PRIMARY KEY,
    agreement   INTEGER NOT NULL,
    number      INTEGER NOT NULL,
    owner       INTEGER NOT NULL,
    user        INTEGER NOT NULL,
    from_ms     INTEGER NOT NULL,
    to_ms       INTEGER NOT NULL,
    receipt     INTEGER NOT NULL,
    -- The terms that were in force, if they are no longer.
    terms       BLOB,
    UNIQUE (agreement, number)
);
CREATE INDEX statements_by_owner ON statements (owner);
CREATE INDEX statements_by_user ON statements (user);

-- Which statements have lines on a tranche.
CREATE TABLE tranche_statements (
    agreement   INTEGER NOT NULL,
    carrier     INTEGER NOT NULL,
    tranche     INTEGER NOT NULL,
    number      INTEGER NOT NULL,
    PRIMARY KEY (agreement, carrier, tranche, number)
) WITHOUT ROWID;

CREATE TABLE refusals (
    id          INTEGER PRIMARY KEY,
    receipt     INTEGER NOT NULL,
    code        TEXT NOT NULL,
    place       INTEGER,
    meter       BLOB,
    body        BLOB NOT NULL
);

CREATE TABLE refusal_counts (
    code        TEXT PRIMARY KEY,
    transactions INTEGER NOT NULL,
    readings    INTEGER NOT NULL
) WITHOUT ROWID;
