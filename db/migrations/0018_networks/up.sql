-- Networks of peers: who belongs to them, when they meet again and again, and what of an event changed since.

create table networks (
  id uuid primary key,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  slug text not null constraint networks_slug_key unique,
  name text not null,
  description text,
  organisation_id uuid not null references organisations on delete restrict,
  constraint networks_name_length check (char_length(name) between 1 and 200),
  constraint networks_description_length check (char_length(description) between 1 and 20000)
);
create index networks_name_idx on networks (fold(name), id);
create index networks_organisation_id_idx on networks (organisation_id);
create trigger networks_raise_version before update on networks for each row execute function raise_version();
create trigger networks_claim_slug after insert or update of slug on networks for each row execute function claim_slug();
comment on table networks is 'Peers who meet, such as the London peer group.';
comment on column networks.id is 'UUIDv7.';
comment on column networks.version is 'Raised by each change; the entity tag.';
comment on column networks.created_at is 'When it was made.';
comment on column networks.updated_at is 'When it last changed.';
comment on column networks.slug is 'Present slug; earlier ones are in slugs.';
comment on column networks.name is 'What it is called.';
comment on column networks.description is 'What it is about, in Markdown.';
comment on column networks.organisation_id is 'Who looks after it, and invites to what it holds.';

create table network_members (
  id uuid primary key,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  network_id uuid not null references networks on delete cascade,
  user_id uuid not null references users on delete cascade,
  role text not null default 'member',
  constraint network_members_once unique (network_id, user_id),
  constraint network_members_role_check check (role in ('member', 'convener'))
);
create index network_members_network_id_idx on network_members (network_id, id);
create index network_members_user_id_idx on network_members (user_id);
create trigger network_members_raise_version before update on network_members
  for each row execute function raise_version();
comment on table network_members is 'Who belongs to a network.';
comment on column network_members.id is 'UUIDv7.';
comment on column network_members.version is 'Raised by each change; the entity tag.';
comment on column network_members.created_at is 'When they joined.';
comment on column network_members.updated_at is 'When it last changed.';
comment on column network_members.network_id is 'To what they belong.';
comment on column network_members.user_id is 'Who. Personal data.';
comment on column network_members.role is 'member, or convener, who looks after the network.';

create table event_series (
  id uuid primary key,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  network_id uuid not null references networks on delete restrict,
  title text not null,
  description text,
  kind text not null,
  starts_at timestamp not null,
  duration_minutes integer not null,
  time_zone text not null,
  rrule text not null,
  bank_holidays text not null,
  except_dates date[] not null,
  venue_name text,
  venue_address text,
  step_free boolean,
  hearing_loop boolean,
  quiet_room boolean,
  access_information text,
  online_url text,
  capacity integer,
  laid_out_on date not null default current_date,
  constraint event_series_title_length check (char_length(title) between 1 and 180),
  constraint event_series_description_length check (char_length(description) between 1 and 20000),
  constraint event_series_kind_check check (kind in ('teacamp', 'unconference', 'webinar', 'meeting')),
  constraint event_series_duration_minutes_range check (duration_minutes between 1 and 44640),
  constraint event_series_time_zone_form check (time_zone ~ '^[A-Z][A-Za-z_]*(/[A-Z][A-Za-z_-]*){0,2}$' and char_length(time_zone) <= 60),
  constraint event_series_rrule_form check (rrule ~ '^FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY)(;[A-Z]+=[A-Z0-9,+-]+)*$' and char_length(rrule) <= 200),
  constraint event_series_bank_holidays_check check (bank_holidays in ('keep', 'skip', 'next_working_day', 'previous_working_day')),
  constraint event_series_except_dates_most check (cardinality(except_dates) <= 100 and array_position(except_dates, null) is null),
  constraint event_series_venue_name_length check (char_length(venue_name) between 1 and 200),
  constraint event_series_venue_address_length check (char_length(venue_address) between 1 and 500),
  constraint event_series_access_information_length check (char_length(access_information) between 1 and 2000),
  constraint event_series_venue_has_a_name check (venue_name is not null
    or num_nonnulls(venue_address, step_free, hearing_loop, quiet_room, access_information) = 0),
  constraint event_series_online_url_form check (online_url ~ '^https?://' and char_length(online_url) <= 2000),
  constraint event_series_takes_place_somewhere check (venue_name is not null or online_url is not null),
  constraint event_series_capacity_range check (capacity between 1 and 100000)
);
create index event_series_network_id_idx on event_series (network_id, id);
create index event_series_laid_out_on_idx on event_series (laid_out_on, id);
create trigger event_series_raise_version before update of network_id, title, description, kind, starts_at,
    duration_minutes, time_zone, rrule, bank_holidays, except_dates, venue_name, venue_address, step_free, hearing_loop,
    quiet_room, access_information, online_url, capacity on event_series
  for each row execute function raise_version();
comment on table event_series is 'When a network meets again and again; each time is an event of its own.';
comment on column event_series.id is 'UUIDv7.';
comment on column event_series.version is 'Raised by each change; the entity tag.';
comment on column event_series.created_at is 'When it was made.';
comment on column event_series.updated_at is 'When it last changed.';
comment on column event_series.network_id is 'Who meets.';
comment on column event_series.title is 'What each of them is called.';
comment on column event_series.description is 'What each is about, in Markdown.';
comment on column event_series.kind is 'What sort of event each is.';
comment on column event_series.starts_at is 'From when on, and at which hour, by the clocks there.';
comment on column event_series.duration_minutes is 'How long each takes.';
comment on column event_series.time_zone is 'IANA name of the time zone of those clocks.';
comment on column event_series.rrule is 'When it comes again: RRULE of iCalendar (RFC 5545).';
comment on column event_series.bank_holidays is 'What is done on a bank holiday of England and Wales.';
comment on column event_series.except_dates is 'Days, by the rule, on which it does not take place.';
comment on column event_series.venue_name is 'Where; null when it is only online.';
comment on column event_series.venue_address is 'Address of the venue.';
comment on column event_series.step_free is 'Whether the venue can be reached without steps; null when nobody said.';
comment on column event_series.hearing_loop is 'Whether the venue has a hearing loop; null when nobody said.';
comment on column event_series.quiet_room is 'Whether the venue has a quiet room; null when nobody said.';
comment on column event_series.access_information is 'What else people need to know to get there and take part.';
comment on column event_series.online_url is 'Where it is online; seen by those who were accepted, and by organisers.';
comment on column event_series.capacity is 'How many can come each time; null without a limit.';
comment on column event_series.laid_out_on is 'When events were last made of it.';

alter table events
  add column network_id uuid references networks on delete restrict,
  add column series_id uuid references event_series on delete set null,
  add column recurrence_on date,
  add column changed_apart boolean not null default false,
  add column search tsvector not null generated always as (
    setweight(to_tsvector('catalogue'::regconfig, title), 'A')
    || setweight(to_tsvector('catalogue'::regconfig, coalesce(venue_name, '') || ' ' || coalesce(venue_address, '')), 'B')
    || setweight(to_tsvector('catalogue'::regconfig, coalesce(description, '')), 'C')) stored,
  add constraint events_once_in_a_series unique (series_id, recurrence_on),
  add constraint events_of_a_series_recur check (series_id is null or (recurrence_on is not null and network_id is not null));
create index events_network_id_idx on events (network_id, starts_at, id);
create index events_search_idx on events using gin (search);
comment on column events.network_id is 'Whose event it is; null when of no network.';
comment on column events.series_id is 'Of which series it is one; null when of none.';
comment on column events.recurrence_on is 'The day on which the rule of its series has it, wherever it was moved; RECURRENCE-ID of iCalendar.';
comment on column events.changed_apart is 'Whether somebody changed it by itself: changes of the series leave it alone.';
comment on column events.search is 'The words of title, venue and description.';
drop trigger events_raise_version on events;
create trigger events_raise_version before update of slug, title, description, kind, status, status_reason, starts_at,
    ends_at, time_zone, venue_name, venue_address, step_free, hearing_loop, quiet_room, access_information, online_url,
    capacity, network_id on events
  for each row execute function raise_version();

create function network_ref(network uuid) returns jsonb
  language sql stable strict parallel safe
  return (select jsonb_build_object('id', id, 'slug', slug, 'name', name) from networks where id = network);
comment on function network_ref(uuid) is 'A network as a reference.';

-- As their owner: of who belongs to a network only these are told.
create function member_count(network uuid) returns bigint
  language sql stable strict security definer set search_path = public, pg_temp
  return (select count(*) from network_members where network_id = network);
comment on function member_count(uuid) is 'How many belong to a network.';

create function convenes(network uuid, person uuid) returns boolean
  language sql stable security definer set search_path = public, pg_temp
  return exists (select from network_members where network_id = network and user_id = person and role = 'convener');
comment on function convenes(uuid, uuid) is 'Whether a person convenes a network.';

create function looks_after_network(network uuid) returns boolean
  language sql stable security definer set search_path = public, pg_temp
  return convenes(network, viewer_id('person'))
    or exists (select from networks where id = network and may_see(organisation_id));
comment on function looks_after_network(uuid) is 'Whether who looks convenes a network or belongs to who looks after it: the second wall around who belongs to it.';

create or replace function organises(event uuid) returns boolean
  language sql stable security definer set search_path = public, pg_temp
  return exists (select from event_organisers where event_id = event and may_see(organisation_id))
    or exists (select from events where id = event and convenes(network_id, viewer_id('person')));
comment on function organises(uuid) is 'Whether who looks belongs to an organisation that invites to an event, or convenes its network: the second wall around who comes.';

grant select, insert, update, delete on networks, network_members, event_series to loti_service;
alter table network_members enable row level security;
create policy network_members_of_viewer on network_members
  using (user_id = viewer_id('person') or viewer_is_operator() or looks_after_network(network_id));

create table event_changes (
  id bigint generated always as identity primary key,
  created_at timestamptz not null default now(),
  event_id uuid not null references events on delete cascade,
  user_id uuid references users on delete cascade,
  session_id uuid,
  kind text not null,
  before jsonb,
  after jsonb,
  constraint event_changes_kind_check check (kind in ('event_changed', 'event_cancelled', 'place_given',
    'place_taken_back', 'programme_published', 'session_placed', 'session_moved', 'session_taken_off'))
);
create index event_changes_event_id_idx on event_changes (event_id, id);
create index event_changes_user_id_idx on event_changes (user_id, id);
create trigger event_changes_append_only before update on event_changes for each row execute function refuse_change();
comment on table event_changes is 'What changed of an event since people planned around it. Append-only.';
comment on column event_changes.id is 'Rises; with the lock on the event, in the order of its changes.';
comment on column event_changes.created_at is 'When.';
comment on column event_changes.event_id is 'Of which event.';
comment on column event_changes.user_id is 'Whom alone it concerns; null for all who planned around the event. Personal data.';
comment on column event_changes.session_id is 'Of which session of its programme; null for the event itself.';
comment on column event_changes.kind is 'What sort of change.';
comment on column event_changes.before is 'What, when and where it was.';
comment on column event_changes.after is 'What, when and where it is.';

create function whereabouts(title text, starts_at timestamptz, ends_at timestamptz, place text) returns jsonb
  language sql stable parallel safe
  return jsonb_build_object('title', title, 'startsAt', starts_at, 'endsAt', ends_at, 'place', place);
comment on function whereabouts(text, timestamptz, timestamptz, text) is 'What, when and where something is, as changes tell it.';

-- Whoever changes an event: people are told in the same transaction.
create function tell_event_change() returns trigger
  language plpgsql security definer set search_path = public, pg_temp as $$
begin
  insert into event_changes (event_id, kind, before, after) values (
    new.id,
    case when new.status = 'cancelled' then 'event_cancelled' else 'event_changed' end,
    whereabouts(old.title, old.starts_at, old.ends_at, old.venue_name),
    whereabouts(new.title, new.starts_at, new.ends_at, new.venue_name));
  return null;
end $$;
comment on function tell_event_change() is 'Tells those who planned around an event of each edition of what calendars show.';
create trigger events_tell_change after update on events for each row
  when (new.sequence > old.sequence and new.status <> 'completed') execute function tell_event_change();

create function tell_place() returns trigger
  language plpgsql security definer set search_path = public, pg_temp as $$
begin
  insert into event_changes (event_id, user_id, kind)
    select new.event_id, new.user_id, case new.status when 'accepted' then 'place_given' else 'place_taken_back' end
    where new.user_id is not null;
  return null;
end $$;
comment on function tell_place() is 'Tells who waited that they have a place, and who was declined that they have none.';
create trigger rsvps_tell_place after update of status on rsvps for each row
  when ((old.status = 'waitlisted' and new.status = 'accepted')
    or (old.status in ('waitlisted', 'accepted') and new.status = 'declined'))
  execute function tell_place();

create function planned_around(event uuid) returns boolean
  language sql stable security definer set search_path = public, pg_temp
  return exists (select from rsvps where event_id = event and user_id = viewer_id('person')
    and status in ('accepted', 'waitlisted'));
comment on function planned_around(uuid) is 'Whether who looks comes to an event or would: changes are for them.';

grant select, insert, delete on event_changes to loti_service;
alter table event_changes enable row level security;
create policy event_changes_of_viewer on event_changes
  using (user_id = viewer_id('person') or viewer_is_operator()
    or (user_id is null and (planned_around(event_id) or organises(event_id))));

create table calendars (
  id uuid primary key,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  user_id uuid not null references users on delete cascade,
  name text not null,
  token_hash bytea not null constraint calendars_token_hash_key unique,
  constraint calendars_name_length check (char_length(name) between 1 and 120),
  constraint calendars_token_hash_length check (octet_length(token_hash) = 32)
);
create index calendars_user_id_idx on calendars (user_id, id);
create trigger calendars_raise_version before update on calendars for each row execute function raise_version();
comment on table calendars is 'Addresses at which people''s calendars are read by who knows them.';
comment on column calendars.id is 'UUIDv7.';
comment on column calendars.version is 'Raised by each change; the entity tag.';
comment on column calendars.created_at is 'When it was made.';
comment on column calendars.updated_at is 'When it last changed.';
comment on column calendars.user_id is 'Whose events it shows. Personal data.';
comment on column calendars.name is 'What it is for, in the words of the person. Personal data.';
comment on column calendars.token_hash is 'SHA-256 of the secret in the address.';

create function calendar_owner(hash bytea) returns uuid
  language sql stable strict security definer set search_path = public, pg_temp
  return (select user_id from calendars where token_hash = hash);
comment on function calendar_owner(bytea) is 'Whose calendar is at an address: who knows it needs to be nobody.';

create function calendar_events(hash bytea, days integer) returns table (event uuid, status text)
  language sql stable strict security definer set search_path = public, pg_temp
begin atomic
  select event_id, rsvps.status from rsvps join events on events.id = event_id
  where user_id = calendar_owner(hash) and rsvps.status in ('accepted', 'waitlisted')
    and ends_at > now() - make_interval(days => calendar_events.days)
  order by starts_at desc, event_id desc limit 500;
end;
comment on function calendar_events(bytea, integer) is 'To what the owner of a calendar comes, or would.';

grant select, insert, update, delete on calendars to loti_service;
alter table calendars enable row level security;
create policy calendars_of_viewer on calendars using (user_id = viewer_id('person') or viewer_is_operator());
