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
    first_transaction INTEGER NOT NULL,
    first_receipt INTEGER NOT NULL,
    first_certificate INTEGER NOT NULL,
    header      BLOB NOT NULL
);
CREATE INDEX blocks_by_first_certificate ON blocks (first_certificate);

CREATE TABLE transactions (
    id          INTEGER PRIMARY KEY,
    hash        BLOB NOT NULL UNIQUE,
    height      INTEGER NOT NULL,
    place       INTEGER NOT NULL,
    account     INTEGER NOT NULL,
    action      TEXT NOT NULL,
    receipt     INTEGER,
    body        BLOB NOT NULL
);
CREATE INDEX transactions_by_account ON transactions (account);

CREATE TABLE receipts (
    id          INTEGER PRIMARY KEY,
    height      INTEGER NOT NULL,
    place       INTEGER NOT NULL,
    "transaction" INTEGER,
    -- Of due work: which agreement's, and when it was due.
    agreement   BLOB,
    due_ms      INTEGER,
    body        BLOB NOT NULL
);

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

CREATE TABLE movements (
    id          INTEGER PRIMARY KEY,
    receipt     INTEGER NOT NULL,
    kind        TEXT NOT NULL,
    purpose     TEXT,
    from_account INTEGER,
    to_account  INTEGER,
    amount      INTEGER NOT NULL,
    agreement   INTEGER,
    reference   TEXT
);
CREATE INDEX movements_by_from ON movements (from_account) WHERE from_account IS NOT NULL;
CREATE INDEX movements_by_to ON movements (to_account) WHERE to_account IS NOT NULL;
CREATE INDEX movements_by_agreement ON movements (agreement) WHERE agreement IS NOT NULL;

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

CREATE TABLE quotes (
    id          INTEGER PRIMARY KEY,
    offer       INTEGER NOT NULL,
    bidder      INTEGER NOT NULL,
    commitment  BLOB NOT NULL,
    sealed      BLOB NOT NULL,
    binding     INTEGER NOT NULL,
    status      TEXT NOT NULL,
    receipt     INTEGER NOT NULL,
    -- From here on: of awarded quotes only.
    agreement   INTEGER,
    opening     BLOB
);
CREATE INDEX quotes_by_offer ON quotes (offer, bidder);

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
    sign_by_ms  INTEGER NOT NULL,
    statements  INTEGER NOT NULL
);
CREATE INDEX agreements_by_owner ON agreements (owner);
CREATE INDEX agreements_by_user ON agreements (user);
CREATE INDEX agreements_by_status ON agreements (status, kind);

-- What happened to an agreement, in order: every signature and every change of status.
CREATE TABLE agreement_steps (
    id          INTEGER PRIMARY KEY,
    agreement   INTEGER NOT NULL,
    step        TEXT NOT NULL,
    account     INTEGER,
    terms       BLOB,
    receipt     INTEGER NOT NULL
);
CREATE INDEX agreement_steps_by_agreement ON agreement_steps (agreement);

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

CREATE TABLE certificates (
    id          INTEGER PRIMARY KEY,
    meter       INTEGER NOT NULL,
    from_ms     INTEGER NOT NULL,
    to_ms       INTEGER NOT NULL,
    register    INTEGER NOT NULL,
    quantity    INTEGER NOT NULL,
    subscription INTEGER
);
CREATE INDEX certificates_by_meter ON certificates (meter, from_ms);

CREATE TABLE attributions (
    agreement   INTEGER NOT NULL,
    certificate INTEGER NOT NULL,
    place       INTEGER NOT NULL,
    quantity    INTEGER NOT NULL,
    PRIMARY KEY (agreement, certificate, place)
) WITHOUT ROWID;
CREATE INDEX attributions_by_certificate ON attributions (certificate, place);

-- Which meters have measured for a subscription, so that its certificates are found through its meters.
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
    issued_ms   INTEGER NOT NULL,
    paid        INTEGER NOT NULL,
    unpaid      INTEGER NOT NULL,
    substituted INTEGER NOT NULL,
    terms       BLOB NOT NULL,
    receipt     INTEGER NOT NULL,
    body        BLOB NOT NULL,
    UNIQUE (agreement, number)
);
CREATE INDEX statements_by_owner ON statements (owner);
CREATE INDEX statements_by_user ON statements (user);

CREATE TABLE statement_lines (
    statement   INTEGER NOT NULL,
    line        INTEGER NOT NULL,
    kind        TEXT NOT NULL,
    carrier     INTEGER NOT NULL,
    tranche     INTEGER,
    quantity    INTEGER,
    amount      INTEGER,
    PRIMARY KEY (statement, line)
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
