-- hookd's database, whole. Plain SQL for PostgreSQL 15 to 18.
--
--   log      facts: every event, in order, never changed            what happened
--   state    folds: the latest state of each stream, nothing else   what is
--   content  bodies: payloads, responses, sealed secrets            what was said, for as long as it is kept
--
-- An append is one transaction: it takes the next positions from its partitions' head rows, inserts its events and
-- writes the states they lead to. Whoever holds a head row's lock is the only writer of that partition, so sequence
-- order is commit order, and a reader that asks for `seq > $1 order by seq` never misses a late commit.
--
-- hookd's own sessions always go by the index, whatever the statistics say, so the tables that grow with every delivery
-- are not analyzed by themselves: sampling them over and over cost more than all their inserts.

create schema log;
create schema state;
create schema content;

-- ---------------------------------------------------------------------------------------------------------- log --

create table log.head (
  partition   smallint primary key,
  seq         bigint not null default 0,  -- the last position given out
  config      bigint not null default 0,  -- that of the last event of configuration: who decides has to know it
  settled     bigint not null default 0,  -- every delivery accepted up to here has its row, unless it is delivered
  epoch       bigint not null default 0,  -- rises with every change of owner: the fence for outcomes
  owner       text                        -- a process of log.process; when that is gone, the partition is free
) with (fillfactor = 10, autovacuum_analyze_threshold = 2000000000);
comment on table log.head is 'One row a partition: its order, its owner. Their number is fixed when the database is made.';

create table log.process (
  name       text primary key,
  leaving    boolean not null default false,  -- keeps what is under way, and is due no share any more
  seen_until timestamptz not null,        -- its lease on all it owns: prolonged as long as it runs
  told       json,                        -- how it is doing, for those who ask another process
  asks       boolean     not null default false  -- somebody asks it how all are doing: so all tell
) with (fillfactor = 10);
comment on table log.process is 'Who works on this log just now. No history: that is in the events PartitionTaken.';

create table log.event (
  partition smallint    not null,
  seq       bigint      not null,
  at        timestamptz not null,
  stream    text        not null collate "C",
  endpoint  text                 collate "C",
  version   int         not null,
  type      text        not null collate "C",
  schema    smallint    not null,
  actor     text        not null,
  request   text,
  body      bytea       not null,
  primary key (partition, seq)
) with (autovacuum_analyze_threshold = 2000000000);
comment on table log.event is 'Every fact: append-only. The body holds the exact bytes that are hashed.';
comment on column log.event.stream is 'Whose history: the id of an application, endpoint, message, admin, event type or partition.';
comment on column log.event.endpoint is 'Set on the events of a delivery, which is the pair (message, endpoint).';
comment on column log.event.schema is 'Version of the shape of this type''s body.';
alter table log.event alter column body set storage external, alter column body set statistics 0;
-- Messages are most of all, and their ids rise with time: in this order nearly all that is new goes to the right edge.
create index event_stream on log.event (stream, partition, seq);
create index event_config on log.event (partition, seq) where endpoint is null and type <> 'MessageAccepted';

create function log.refuse() returns trigger language plpgsql as $$
begin
  raise exception 'the log is append-only: % on %.% is refused', tg_op, tg_table_schema, tg_table_name
    using errcode = 'insufficient_privilege';
end $$;
create trigger append_only before update or delete or truncate on log.event
  for each statement execute function log.refuse();
revoke update, delete, truncate on log.event from current_user;

create view log.history as
  select e.at, e.partition, e.seq, e.actor, e.request, e.type, e.stream, e.endpoint, e.version,
         convert_from(e.body, 'UTF8')::json as body
  from log.event e;
comment on view log.history is 'The log for people: the same rows, bodies as text.';

-- The Merkle tree over each partition's events (RFC 6962, cut into tiles as in C2SP tlog-tiles), and what was signed.

create table log.tile (
  partition smallint not null,
  level     smallint not null,
  index     bigint   not null,
  hashes    bytea    not null check (octet_length(hashes) between 32 and 8192 and octet_length(hashes) % 32 = 0),
  primary key (partition, level, index)
);
comment on table log.tile is 'Up to 256 hashes, 32 bytes each. A full tile never changes, another may only get longer.';
alter table log.tile alter column hashes set storage external, alter column hashes set statistics 0;

create function log.only_lengthen() returns trigger language plpgsql as $$
begin
  if (new.partition, new.level, new.index) is distinct from (old.partition, old.level, old.index)
     or octet_length(new.hashes) < octet_length(old.hashes)
     or substr(new.hashes, 1, octet_length(old.hashes)) <> old.hashes then
    raise exception 'the log is append-only: % on %.% may only lengthen a tile', tg_op, tg_table_schema, tg_table_name
      using errcode = 'insufficient_privilege';
  end if;
  return new;
end $$;
create trigger only_lengthen before update on log.tile for each row execute function log.only_lengthen();
create trigger append_only before delete or truncate on log.tile for each statement execute function log.refuse();
revoke delete, truncate on log.tile from current_user;

create table log.checkpoint (
  partition smallint    not null,
  size      bigint      not null,  -- the tree covers the events 1 to size
  at        timestamptz not null,
  root      bytea       not null check (octet_length(root) = 32),
  note      text        not null,  -- the signed note (C2SP tlog-checkpoint), to the byte
  primary key (partition, size)
);
comment on table log.checkpoint is 'What was signed: tiles are stored together with the checkpoint that covers them.';
create trigger append_only before update or delete or truncate on log.checkpoint
  for each statement execute function log.refuse();
revoke update, delete, truncate on log.checkpoint from current_user;

-- -------------------------------------------------------------------------------------------------------- state --

create table state.application (
  partition     smallint    not null,
  id            text        not null collate "C",
  org           text        not null collate "C",
  name          text        not null,
  uid           text                 collate "C",
  throttle_rate int,
  metadata      jsonb       not null,
  created_at    timestamptz not null,
  updated_at    timestamptz not null,
  deleted_at    timestamptz,
  version       int         not null,
  retention_days smallint,
  primary key (partition, id)
);
create unique index application_uid on state.application (org, uid) where deleted_at is null and uid is not null;
create index application_of_org on state.application (org, id) where deleted_at is null;

create table state.endpoint (
  partition      smallint    not null,
  id             text        not null collate "C",
  application    text        not null collate "C",
  url            text        not null,
  uid            text                 collate "C",
  description    text        not null,
  event_types    text[],
  channels       text[],
  metadata       jsonb       not null,
  throttle_rate  int,
  batch_size     int,
  retry_delays_s double precision[],
  api_version    int         not null,
  secret         text        not null,
  created_at     timestamptz not null,
  updated_at     timestamptz not null,
  disabled       text,
  breaker_until  timestamptz,
  breaker_opens  int         not null,
  failing_since  timestamptz,
  deleted_at     timestamptz,
  version        int         not null,
  primary key (partition, id)
);
create unique index endpoint_uid on state.endpoint (partition, application, uid)
  where deleted_at is null and uid is not null;
create index endpoint_of_application on state.endpoint (partition, application, id) where deleted_at is null;

create table state.event_type (
  partition    smallint    not null,
  id           text        not null collate "C",
  org          text        not null collate "C",
  name         text        not null collate "C",
  description  text        not null,
  archived     boolean     not null,
  deprecated   boolean     not null,
  schemas      json,
  feature_flag text,
  created_at   timestamptz not null,
  updated_at   timestamptz not null,
  version      int         not null,
  primary key (partition, id)
);
create unique index event_type_name on state.event_type (org, name);

create table state.admin (
  partition   smallint    not null,
  id          text        not null collate "C",
  username    text        not null collate "C",
  application text        not null collate "C",
  created_at  timestamptz not null,
  version     int         not null,
  primary key (partition, id)
);
create unique index admin_username on state.admin (username);

create table state.event_id (
  partition   smallint not null,
  application text     not null collate "C",
  event_id    text     not null collate "C",
  message     text     not null collate "C",
  primary key (partition, application, event_id)
) with (autovacuum_analyze_threshold = 2000000000);
comment on table state.event_id is
  'Messages whose sender gave them a name. A message itself is told by its acceptance alone, the first of its stream.';

create table state.delivery (
  partition   smallint    not null,
  message     text        not null collate "C",
  endpoint    text        not null collate "C",
  accepted_at timestamptz not null,
  next_at     timestamptz,
  state       text        not null collate "C",
  attempts    smallint    not null,
  version     int         not null,
  reason      text,
  retention_days smallint not null,  -- of its message: where the payload lies
  primary key (partition, message, endpoint)
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 20000,
        autovacuum_vacuum_insert_scale_factor = 0.0, autovacuum_vacuum_insert_threshold = 200000,
        autovacuum_analyze_threshold = 2000000000,
        autovacuum_vacuum_cost_delay = 0);
comment on table state.delivery is
  'Every delivery that is not delivered: waiting, held, or ended otherwise. A delivered one is in the log alone, and '
  'so may be one not tried yet that was accepted beyond log.head.settled: log.settle gives those their rows.';
create index delivery_due on state.delivery (partition, endpoint, next_at, message) where state = 'pending';
create index delivery_ended on state.delivery (partition, endpoint, message) where state <> 'pending';

create table state.mention (
  partition smallint   not null,
  stretch   int        not null,  -- of the partition, see log.border
  whose     text       not null collate "C",  -- see log.whose
  places    smallint[] not null,  -- in the stretch, from 0 on, in order
  primary key (partition, stretch, whose)  -- what is new goes to the right edge, whoever it is
) with (autovacuum_analyze_threshold = 2000000000);
comment on table state.mention is
  'Where the log tells of an endpoint, and accepts messages of an application: one row for 4096 events, not one for '
  'each. Written by the append that fills a stretch; what stands beyond the last whole one is found by looking at it '
  '(log.newest_of, log.oldest_of).';

-- ------------------------------------------------------------------------------------------------------ content --

-- A body lies in the table of the last day (UTC) on which it is kept: the day its message was accepted plus the
-- message's retention_days. So retention never looks for rows: it drops whole tables, whoever set what.

create table content.payload (
  day       date     not null,
  partition smallint not null,
  message   text     not null collate "C",
  body      bytea    not null,
  primary key (day, message, partition)  -- what is new goes to the right edge
) partition by range (day);

create table content.response (
  day       date     not null,
  partition smallint not null,
  seq       bigint   not null,
  body      bytea    not null,
  primary key (day, partition, seq)
) partition by range (day);
comment on table content.response is 'What an endpoint answered, by the position of the attempt''s event.';

create type content.body as (day date, partition smallint, message text, seq bigint);
comment on type content.body is 'What names a body: a payload by its message, a response by the position of its event.';

create table content.secret (
  partition  smallint    not null,
  owner      text        not null collate "C",
  id         text        not null collate "C",
  sealed     bytea       not null,
  created_at timestamptz not null,
  expires_at timestamptz,
  primary key (partition, owner, id)
);
comment on table content.secret is 'Signing keys and password hashes, sealed with AES-GCM and bound to their owner.';

create function content.prepare(days date[]) returns int language plpgsql as $$
-- Makes the tables of these days; answers how many were missing. There is no default partition: a day without a
-- table is an error, never a heap that retention cannot drop.
declare
  d date; kind text; made int := 0;
begin
  perform pg_advisory_xact_lock(hashtext('content.prepare'));
  foreach d in array days loop
    foreach kind in array array['payload', 'response'] loop
      if to_regclass(format('content.%I', kind || to_char(d, '_YYYYMMDD'))) is null then
        -- Made beside its parent and attached: `partition of` would wait for all who read any day, and hold up
        -- every append meanwhile.
        execute format('create table content.%I (like content.%I including all)',
                       kind || to_char(d, '_YYYYMMDD'), kind);
        execute format('alter table content.%I attach partition content.%I for values from (%L) to (%L)',
                       kind, kind || to_char(d, '_YYYYMMDD'), d, d + 1);
        execute format('alter table content.%I set (autovacuum_analyze_threshold = 2000000000), '
                       'alter column body set storage external, alter column body set statistics 0',
                       kind || to_char(d, '_YYYYMMDD'));
        made := made + 1;
      end if;
    end loop;
  end loop;
  return made;
end $$;

create function content.expunge(bodies content.body[]) returns void language plpgsql as $$
-- Deletes exactly these. HK002: one of them is not there.
declare
  d date; kind text; name text; gone int := 0; hit int;
begin
  for d in select distinct b.day from unnest(bodies) b loop
    if to_regclass(format('content.%I', to_char(d, '"payload_"YYYYMMDD'))) is null then
      raise exception 'nothing is kept until %', d using errcode = 'HK002';
    end if;
    for kind, name in values ('payload', 'message'), ('response', 'seq') loop
      execute format('delete from content.%1$I p using unnest($1) b cross join lateral (
                        select x.ctid from content.%1$I x
                        where x.day = b.day and x.partition = b.partition and x.%2$I = b.%2$I limit 1) found
                      where b.day = $2 and b.%2$I is not null and p.ctid = found.ctid',
                     kind || to_char(d, '_YYYYMMDD'), name) using bodies, d;
      get diagnostics hit = row_count;
      gone := gone + hit;
    end loop;
  end loop;
  if gone <> cardinality(bodies) then
    raise exception 'a body is gone already' using errcode = 'HK002';
  end if;
end $$;

create function content.drop(days date[]) returns void language plpgsql set lock_timeout = '300ms' as $$
-- Drops the tables of these days. While this waits for their readers everybody else waits for this, so it gives up
-- soon (lock_not_available); whoever asked tries again later. HK002: a table is not there.
declare
  d date; kind text;
begin
  foreach d in array days loop
    foreach kind in array array['payload', 'response'] loop
      if to_regclass(format('content.%I', kind || to_char(d, '_YYYYMMDD'))) is null then
        raise exception 'nothing is kept until %', d using errcode = 'HK002';
      end if;
      execute format('drop table content.%I', kind || to_char(d, '_YYYYMMDD'));
    end loop;
  end loop;
end $$;

-- ------------------------------------------------------------------------------------------------------- append --

-- The rows of an append. Of a head, `known` is the last event of configuration that was known to who decided (null: it
-- does not matter), and `config` the place among the new events of the last that is one; `settled` is how far the
-- partition is settled as far as the caller knows (-1: not known, null: it does not matter), or is with this append:
-- `upto`. `slot` is the index of a partition in the append's heads, `nth` the place of an event among that partition's new
-- ones; `was` is the version a row had when it was read: -1 if the delivery was not tried yet and has no row as far as
-- known, -2 if it is accepted in this very append.
create type log.new_head      as (partition smallint, events int, epoch bigint, known bigint, config int,
                                  settled bigint);
create type log.new_settled   as (partition smallint, settled bigint, upto bigint);
create type log.new_event     as (slot int, nth int, version int,
                                  was int,  -- 0, or: with this event its delivery is delivered, and the row goes
                                  type text, schema smallint, actor text, request text, stream text, endpoint text,
                                  body bytea);
create type log.new_message   as (partition smallint, retention_days smallint, id text, payload bytea);
create type log.new_name      as (partition smallint, application text, event_id text, message text);
create type log.moved_delivery as (slot int, message text, endpoint text, was int, state text, attempts smallint,
                                  next_at timestamptz, version int, reason text, accepted_at timestamptz,
                                  retention_days smallint);
create type log.waiting_delivery as (slot int, message text, endpoint text, accepted_at timestamptz,
                                  retention_days smallint);
create type log.new_response  as (event int, day date, body bytea);
create type log.new_secret    as (partition smallint, owner text, id text, sealed bytea);
create type log.retired_secret as (partition smallint, owner text, id text, expires_at timestamptz);

create function log.append(
  now       timestamptz,
  heads     log.new_head[],        -- the partitions touched, ascending; an epoch of null accepts any owner
  settles   log.new_settled[],     -- those of them that are to be settled
  events    log.new_event[],
  messages  log.new_message[],     -- accepted, with their payloads
  named     log.new_name[],        -- those of them that were given one
  delivered int,                   -- how many of the events say `was`
  untried   int,                   -- of those: how many say that there is no row
  moved     log.moved_delivery[],
  waiting   log.waiting_delivery[],  -- not tried yet: all up to what is to be settled, and others; they get their rows
  responses log.new_response[],    -- by index into events
  config    json,                  -- {table: [row]}: rows of the config tables, each with the version it had as `was`
  secrets   log.new_secret[],
  expunged  content.body[],        -- are there, and go
  dropped   date[],                -- days that are over: their tables go
  returned  log.moved_delivery[],  -- delivered before, so without a row: they get one, unless they are again
  retired   log.retired_secret[],  -- are still good for a while
  news      text                   -- what other processes are told when this is committed
) returns bigint[] language plpgsql set enable_seqscan = off as $$
-- Appends events and writes the states they lead to; answers the position before the first new one, a head, and then
-- how far each is settled.
-- HK001: epochs are over (other owners), HK003: configuration is not known that is in force; the detail lists the
-- partitions. HK002: a state has moved on since it was read. lock_not_available: somebody uses a table that is to go.
-- Without scans of whole tables, whatever the session prefers: so the heads are locked in the order in which they are
-- given, or in that of their key, and no two appends wait for each other.
declare
  base bigint[]; settled bigint[]; bare boolean[];  -- bare: the untried have no rows indeed
  filling boolean;  -- a stretch of events, see log.border
  doubtful boolean; others smallint[]; fit bigint[]; hit int; more int;
begin
  if cardinality(settles) > 0 then
    perform from log.head h join unnest(heads) n using (partition) order by h.partition for update of h;
    with now_settled as (
      update log.head h set settled = s.upto from unnest(settles) s
      where h.partition = s.partition and h.settled = s.settled returning h.partition)
    select array_agg(s.partition) into others from unnest(settles) s
      where s.partition not in (select n.partition from now_settled n);
  end if;
  with moved as (
    update log.head h set seq = h.seq + n.events, config = coalesce(h.seq + n.config, h.config)
      from unnest(heads) with ordinality n(partition, events, epoch, known, config, settled, nth)
      where h.partition = n.partition and (n.epoch is null or h.epoch = n.epoch)
        and (n.known is null or h.config <= n.known)
      returning n.nth, h.seq - n.events as before, h.settled,
        h.settled = n.settled and (others is null or h.partition <> all(others)) as bare,
        log.stretch(h.partition, h.seq - n.events + 1) <> log.stretch(h.partition, h.seq + 1) as fills)
  select coalesce(array_agg(m.nth), '{}'), coalesce(array_agg(m.before), '{}'), coalesce(array_agg(m.settled), '{}'),
         array_agg(m.bare), bool_or(m.fills), bool_or(not m.bare)
    into fit, base, settled, bare, filling, doubtful
    from (select * from moved order by nth) m;
  if cardinality(fit) <> cardinality(heads) then
    perform log.refuse_heads(heads, fit);
  end if;
  if doubtful then  -- somebody has settled it: no delivery is without a row now, as far as known
    for nth in 1..cardinality(heads) loop
      if not bare[nth] then
        perform log.settle(heads[nth].partition, settled[nth], base[nth]);
        settled[nth] := base[nth];
      end if;
    end loop;
  end if;

  if cardinality(returned) > 0 then
    -- A delivered one has no row that could tell whether it has moved on: its last event does.
    select count(*) into hit from unnest(returned) r
      cross join lateral (
        select e.version from log.event e
        where e.partition = heads[r.slot].partition and e.stream = r.message
          and coalesce(e.endpoint, '') = r.endpoint
        order by e.seq desc limit 1) last
      where last.version = r.was;
    if hit <> cardinality(returned) then
      raise exception 'a delivery has moved on' using errcode = 'HK002';
    end if;
    insert into state.delivery
        (partition, message, endpoint, accepted_at, next_at, state, attempts, version, reason, retention_days)
      select heads[r.slot].partition, r.message, r.endpoint, r.accepted_at, r.next_at, r.state, r.attempts, r.version,
             r.reason, r.retention_days
      from unnest(returned) r where r.state <> 'delivered';
  end if;

  insert into log.event (partition, seq, at, stream, endpoint, version, type, schema, actor, request, body)
    select heads[e.slot].partition, base[e.slot] + e.nth, now, e.stream, e.endpoint, e.version, e.type, e.schema,
           e.actor, e.request, e.body
    from unnest(events) e;
  if filling then
    for nth in 1..cardinality(heads) loop
      if log.stretch(heads[nth].partition, base[nth] + 1)
         <> log.stretch(heads[nth].partition, base[nth] + heads[nth].events + 1) then
        -- Nobody else writes them, so there are none; but one that was put there must not end all appends.
        delete from state.mention m
          where m.partition = heads[nth].partition and m.stretch >= log.stretch(heads[nth].partition, base[nth] + 1)
            and m.stretch < log.stretch(heads[nth].partition, base[nth] + heads[nth].events + 1);
        insert into state.mention
          select m.* from log.mentions(heads[nth].partition, base[nth], base[nth] + heads[nth].events) m;
      end if;
    end loop;
  end if;

  if cardinality(messages) > 0 then
    insert into content.payload (day, partition, message, body)
      select (now at time zone 'UTC')::date + m.retention_days, m.partition, m.id, m.payload from unnest(messages) m;
  end if;
  if cardinality(named) > 0 then
    insert into state.event_id (partition, application, event_id, message)
      select n.partition, n.application, n.event_id, n.message from unnest(named) n;
  end if;

  if cardinality(waiting) > 0 then
    insert into state.delivery
        (partition, message, endpoint, accepted_at, next_at, state, attempts, version, retention_days)
      select heads[w.slot].partition, w.message, w.endpoint, w.accepted_at, w.accepted_at, 'pending', 0, 1,
             w.retention_days
      from unnest(waiting) w where bare[w.slot];
  end if;

  if delivered > untried or (delivered > 0 and false = any(bare)) then
    -- `limit 1` keeps the planner from turning the join round: after a vacuum it takes the table for empty and would
    -- walk all of it, dead rows too, for every append.
    delete from state.delivery s
      using unnest(events) e
      cross join lateral (
        select x.ctid from state.delivery x
        where x.partition = heads[e.slot].partition and x.message = e.stream and x.endpoint = e.endpoint
          and x.version = abs(e.was)
        limit 1) found
      where (e.was > 0 or (e.was = -1 and not bare[e.slot])) and s.ctid = found.ctid;
    get diagnostics hit = row_count;
    select count(*) into more from unnest(events) e where e.was = -2 or (e.was = -1 and bare[e.slot]);
    if hit + more <> delivered then
      raise exception 'a delivery has moved on' using errcode = 'HK002';
    end if;
  end if;

  if cardinality(moved) > 0 then
    update state.delivery s
      set state = m.state, attempts = m.attempts, next_at = m.next_at, version = m.version, reason = m.reason
      from unnest(moved) m
      cross join lateral (
        select x.ctid from state.delivery x
        where x.partition = heads[m.slot].partition and x.message = m.message and x.endpoint = m.endpoint
          and x.version = abs(m.was)
        limit 1) found
      where (m.was > 0 or (m.was = -1 and not bare[m.slot])) and s.ctid = found.ctid;
    get diagnostics hit = row_count;
    insert into state.delivery
        (partition, message, endpoint, accepted_at, next_at, state, attempts, version, reason, retention_days)
      select heads[m.slot].partition, m.message, m.endpoint, m.accepted_at, m.next_at, m.state, m.attempts, m.version,
             m.reason, m.retention_days
      from unnest(moved) m where m.was = -2 or (m.was = -1 and bare[m.slot]);
    get diagnostics more = row_count;
    if hit + more <> cardinality(moved) then
      raise exception 'a delivery has moved on' using errcode = 'HK002';
    end if;
  end if;

  if cardinality(responses) > 0 then
    insert into content.response (day, partition, seq, body)
      select r.day, heads[events[r.event].slot].partition,
             base[events[r.event].slot] + events[r.event].nth, r.body
      from unnest(responses) r;
  end if;

  if config is not null then
    perform log.configure(config);
  end if;
  if cardinality(secrets) > 0 then
    insert into content.secret (partition, owner, id, sealed, created_at)
      select s.partition, s.owner, s.id, s.sealed, now from unnest(secrets) s;
  end if;
  if cardinality(retired) > 0 then
    update content.secret s set expires_at = r.expires_at
      from unnest(retired) r where s.partition = r.partition and s.owner = r.owner and s.id = r.id;
    get diagnostics hit = row_count;
    if hit <> cardinality(retired) then
      raise exception 'a secret is gone' using errcode = 'HK002';
    end if;
  end if;
  if cardinality(expunged) > 0 then
    perform content.expunge(expunged);
  end if;
  if cardinality(dropped) > 0 then
    perform content.drop(dropped);
  end if;
  if news is not null then
    perform pg_notify('hookd', news);
  end if;
  return base || settled;
end $$;

create function log.settle(part smallint, beyond bigint, upto bigint) returns void language plpgsql as $$
-- Gives the deliveries that were accepted there (beyond < seq <= upto) and not tried yet their rows, where they have
-- none. For whoever has locked the head; its owner knows them by heart, and has an append do it. No join: hookd's
-- sessions make none by hash, and this goes through the events once.
begin
  insert into state.delivery
      (partition, message, endpoint, accepted_at, next_at, state, attempts, version, retention_days)
    select part, e.stream, chosen.endpoint, max(e.at), max(e.at), 'pending', 0, 1, max(e.kept)
    from (
      select l.stream, l.endpoint, l.at, l.body -> 'endpoints' as endpoints,
             coalesce((l.body ->> 'retention_days')::smallint, 90) as kept
      from (
        select a.stream, a.endpoint, a.at,
               case when a.endpoint is null then convert_from(a.body, 'UTF8')::json end as body
        from log.event a
        where a.partition = part and a.seq > beyond and a.seq <= upto
          and (a.endpoint is not null or a.type = 'MessageAccepted')
        order by a.seq offset 0) l
      offset 0) e
    cross join lateral (
      select e.endpoint where e.endpoint is not null
      union all
      select json_array_elements_text(e.endpoints)) chosen(endpoint)
    group by e.stream, chosen.endpoint having bool_and(e.endpoint is null)
    on conflict do nothing;
  update log.head h set settled = upto where h.partition = part;
end $$;

create function log.settle(part smallint) returns void language plpgsql as $$
-- Every delivery of the partition that is not delivered has its row, for whoever is about to look.
declare
  head log.head;
begin
  select h.* into head from log.head h where h.partition = part and h.settled < h.seq for update;
  if found then
    perform log.settle(part, head.settled, head.seq);
  end if;
end $$;

create function log.border(part smallint, stretch bigint) returns bigint language sql immutable as $$
  -- The last position before a stretch: of 4096 events each, but for the first one, which is shorter. By how much
  -- differs from partition to partition, or those that grow evenly would all fill theirs in one append: 2531 is 4096
  -- by the golden ratio, which spreads any number of them.
  select (stretch << 12) - (part * 2531 & 4095);
$$;

create function log.stretch(part smallint, seq bigint) returns bigint language sql immutable as $$
  -- The stretch in which a position stands.
  select (seq - 1 - log.border(part, 0)) >> 12;
$$;

create function log.whose(endpoint text, type text, body bytea) returns text language sql immutable as $$
  -- In whose list an event stands: its endpoint's, or of an accepted message its application's, the first of its
  -- fields. Cut out, not parsed: it is asked of every event, and must not fail whatever stands there.
  select case when endpoint is not null then endpoint
              when type = 'MessageAccepted'
              then split_part(encode(substr(body, octet_length('{"application":"') + 1, 64), 'escape'), '"', 1) end;
$$;

create function log.mentions(part smallint, before bigint, upto bigint)
  returns table (partition smallint, stretch int, whose text, places smallint[]) language sql stable
  set enable_sort = off set enable_hashagg = on as $$
  -- Who is mentioned in the stretches that are whole at `upto` and were not at `before`: what is in state.mention.
  -- Grouped by hash, so the places stay in the order in which they come.
  select part, e.stretch::int, e.whose, array_agg((e.seq - 1 - log.border(part, e.stretch))::smallint)
  from (
    select a.seq, log.stretch(part, a.seq) as stretch, log.whose(a.endpoint, a.type, a.body) as whose
    from log.event a
    where a.partition = part and a.seq > log.border(part, log.stretch(part, before + 1))
      and a.seq <= log.border(part, log.stretch(part, upto + 1))
    order by a.seq offset 0) e
  where e.whose is not null
  group by e.stretch, e.whose;
$$;

create function log.newest_of(part smallint, who text, after bigint, before bigint) returns setof bigint
  language sql stable as $$
  -- The positions after < seq < before of the events in the list of an endpoint or application, from the last one
  -- back: only as many as are taken, since this becomes part of the statement that asks. To find that there is none it
  -- looks at up to 4096 events, and by index for one row a stretch.
  select found.seq from log.head h cross join lateral (
    select * from (
      select e.seq from log.event e
      where e.partition = part and e.seq > greatest(after, log.border(part, log.stretch(part, h.seq + 1)))
        and e.seq < before and log.whose(e.endpoint, e.type, e.body) = who
      order by e.seq desc) tail
    union all
    select p.seq
    from generate_series(log.stretch(part, least(h.seq, before - 1)), log.stretch(part, least(h.seq, after) + 1), -1)
      s(stretch)
    cross join lateral (
      select m.places from state.mention m
      where m.partition = part and m.stretch = s.stretch and m.whose = who limit 1) m
    cross join lateral (
      select log.border(part, s.stretch) + 1 + m.places[nth] as seq
      from generate_series(cardinality(m.places), 1, -1) n(nth)) p
    where p.seq > after and p.seq < before) found
  where h.partition = part;
$$;

create function log.oldest_of(part smallint, who text, after bigint, before bigint) returns setof bigint
  language sql stable as $$
  -- The same from the first one on.
  select found.seq from log.head h cross join lateral (
    select p.seq
    from generate_series(log.stretch(part, least(h.seq, after) + 1), log.stretch(part, least(h.seq, before - 1)))
      s(stretch)
    cross join lateral (
      select m.places from state.mention m
      where m.partition = part and m.stretch = s.stretch and m.whose = who limit 1) m
    cross join lateral (
      select log.border(part, s.stretch) + 1 + m.places[nth] as seq
      from generate_series(1, cardinality(m.places)) n(nth)) p
    where p.seq > after and p.seq < before
    union all
    select * from (
      select e.seq from log.event e
      where e.partition = part and e.seq > greatest(after, log.border(part, log.stretch(part, h.seq + 1)))
        and e.seq < before and log.whose(e.endpoint, e.type, e.body) = who
      order by e.seq) tail) found
  where h.partition = part;
$$;

create function log.refuse_heads(heads log.new_head[], fit bigint[]) returns void language plpgsql as $$
-- Says why an append may not be: HK001 or HK003, with the partitions as detail. `fit`: the places of the heads that do,
-- and have moved on with this append.
declare
  lost text; unknown text;
begin
  select string_agg(n.partition::text, ',') filter (where h.epoch is distinct from n.epoch and n.epoch is not null),
         string_agg(n.partition::text, ',') filter (where h.config > n.known)
    into lost, unknown
    from unnest(heads) with ordinality n(partition, events, epoch, known, config, settled, nth)
    left join log.head h using (partition)
    where n.nth <> all(fit);
  if unknown is not null and lost is null then
    raise exception 'the configuration has moved on' using errcode = 'HK003', detail = unknown;
  end if;
  raise exception 'partitions have other owners' using errcode = 'HK001', detail = coalesce(lost, '');
end $$;

create function log.configure(config json) returns void language plpgsql as $$
-- The rare part of an append: rows of the config tables, replaced at the version they had.
declare
  kind text; entry json; hit int;
begin
  for kind, entry in select c.key, r.value from json_each(config) c, json_array_elements(c.value) r loop
    if (entry ->> 'was')::int > 0 then
      execute format('delete from state.%I where partition = $1 and id = $2 and version = $3', kind)
        using (entry ->> 'partition')::smallint, entry ->> 'id', (entry ->> 'was')::int;
      get diagnostics hit = row_count;
      if hit <> 1 then
        raise exception '% % has moved on', kind, entry ->> 'id' using errcode = 'HK002';
      end if;
    end if;
    execute format('insert into state.%I select * from json_populate_record(null::state.%I, $1)', kind, kind)
      using entry;
  end loop;
end $$;

-- --------------------------------------------------------------------------------------------------- processes --

create function log.attend(who text, lease_s float8, report json, asking boolean default false,
                           going boolean default false)
  returns void language sql as $$
  -- Prolongs a process' lease; forgets those whose lease ended long ago.
  insert into log.process as p (name, seen_until, told, asks, leaving)
    values (who, now() + lease_s * interval '1 second', report, asking, going)
    on conflict (name) do update set seen_until = excluded.seen_until, told = excluded.told, asks = excluded.asks,
      leaving = excluded.leaving;
  delete from log.process where seen_until < now() - interval '10 minutes';
$$;

create function log.take(who text, wanted smallint[])
  returns table (part smallint, reign bigint, last bigint, previous text) language plpgsql as $$
-- Makes a process the owner of those of the partitions that nobody alive owns. One at a time, so that the second sees
-- that the first, who may have come only just now, is alive.
begin
  perform pg_advisory_xact_lock(hashtext('log.take'));
  return query
    with free as (
      select h.partition, h.owner from log.head h
      where h.partition = any(wanted) and not exists (
        select from log.process p where p.name = h.owner and p.seen_until > clock_timestamp())
      order by h.partition for update)
    update log.head h set owner = who, epoch = h.epoch + 1
      from free where h.partition = free.partition
      returning h.partition, h.epoch, h.seq, free.owner;
end $$;

create function log.release(who text, given smallint[]) returns void language sql as $$
  -- Gives partitions back.
  update log.head h set owner = null
    from (select x.partition from log.head x
          where x.owner = who and x.partition = any(given) order by x.partition for update) mine
    where h.partition = mine.partition;
$$;

create function log.leave(who text) returns void language sql as $$
  -- A process is gone: what it owned is free.
  select log.release(who, (select array_agg(h.partition) from log.head h where h.owner = who));
  delete from log.process where name = who;
$$;
