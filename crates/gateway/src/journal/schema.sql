CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
-- A stretch of the gateway's clock without a jump. Readings count once it was compared with the chain's time.
CREATE TABLE clock (
    epoch INTEGER PRIMARY KEY,
    began_ms INTEGER NOT NULL,
    state INTEGER NOT NULL,
    -- How far it was ahead of the chain's time when it began; before it was compared, of the stretch after it, where a jump has ended it.
    offset_ms INTEGER,
    -- The newest reading that it stamped.
    last_ms INTEGER
) STRICT;
-- The signed bytes that carry readings; kept until long after they are final.
CREATE TABLE batch (
    id INTEGER PRIMARY KEY,
    bytes BLOB NOT NULL,
    hash BLOB NOT NULL,
    expires INTEGER NOT NULL,
    sealed_ms INTEGER NOT NULL,
    open INTEGER NOT NULL,
    height INTEGER,
    -- How many readings it carries, and of which time the oldest and the newest are.
    readings INTEGER NOT NULL,
    from_ms INTEGER NOT NULL,
    to_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX batch_open ON batch (id) WHERE open = 1;
-- By time, so that what comes next is written where the last was written, however many meters there are. A reading is refused
-- if it has a code, in a transaction if its batch is open, certified if its batch is closed; else it waits.
CREATE TABLE reading (
    time_ms INTEGER NOT NULL,
    meter BLOB NOT NULL,
    register INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    batch INTEGER,
    code TEXT,
    detail TEXT,
    bus TEXT NOT NULL,
    protocol TEXT NOT NULL,
    request BLOB NOT NULL,
    answer BLOB NOT NULL,
    -- Of what is signed: a bit that changes on the disk while the reading waits is found.
    sum INTEGER,
    -- The detail in Chinese.
    detail_zh TEXT,
    PRIMARY KEY (time_ms, meter)
) STRICT, WITHOUT ROWID;
CREATE INDEX reading_waiting ON reading (time_ms, meter, epoch, register, sum) WHERE batch IS NULL AND code IS NULL;
-- What is known of a meter besides its readings: its device, why it is stopped, its registration, its newest reading that is not
-- refused.
CREATE TABLE meter (
    meter BLOB PRIMARY KEY,
    device TEXT,
    stopped TEXT,
    registration TEXT,
    last_ms INTEGER,
    last_register INTEGER,
    -- Why it is stopped, in Chinese.
    stopped_zh TEXT
) STRICT, WITHOUT ROWID;
-- What an operator should see.
CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    time_ms INTEGER NOT NULL,
    meter BLOB,
    code TEXT NOT NULL,
    detail TEXT NOT NULL,
    answer BLOB,
    -- The detail in Chinese.
    detail_zh TEXT NOT NULL DEFAULT ''
) STRICT;
