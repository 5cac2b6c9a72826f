-- Events: when people meet, who invites, and who comes.

create table events (
  id uuid primary key,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  slug text not null constraint events_slug_key unique,
  title text not null,
  description text,
  kind text not null,
  status text not null default 'draft',
  status_reason text,
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  time_zone text not null,
  venue_name text,
  venue_address text,
  step_free boolean,
  hearing_loop boolean,
  quiet_room boolean,
  access_information text,
  online_url text,
  capacity integer,
  accepted_count integer not null default 0,
  sequence integer not null default 0,
  constraint events_title_length check (char_length(title) between 1 and 200),
  constraint events_description_length check (char_length(description) between 1 and 20000),
  constraint events_kind_check check (kind in ('teacamp', 'unconference', 'webinar', 'meeting')),
  constraint events_status_check check (status in ('draft', 'published', 'cancelled', 'completed')),
  constraint events_status_reason_length check (char_length(status_reason) between 1 and 1000),
  constraint events_reason_of_cancellation check (status_reason is null or status = 'cancelled'),
  constraint events_ends_after_start check (ends_at > starts_at),
  constraint events_no_longer_than_a_month check (ends_at <= starts_at + interval '31 days'),
  constraint events_time_zone_form check (time_zone ~ '^[A-Z][A-Za-z_]*(/[A-Z][A-Za-z_-]*){0,2}$' and char_length(time_zone) <= 60),
  constraint events_venue_name_length check (char_length(venue_name) between 1 and 200),
  constraint events_venue_address_length check (char_length(venue_address) between 1 and 500),
  constraint events_access_information_length check (char_length(access_information) between 1 and 2000),
  constraint events_venue_has_a_name check (venue_name is not null
    or num_nonnulls(venue_address, step_free, hearing_loop, quiet_room, access_information) = 0),
  constraint events_online_url_form check (online_url ~ '^https?://' and char_length(online_url) <= 2000),
  constraint events_takes_place_somewhere check (status = 'draft' or status = 'cancelled' or venue_name is not null or online_url is not null),
  constraint events_capacity_range check (capacity between 1 and 100000),
  constraint events_capacity_holds check (accepted_count <= capacity),
  constraint events_accepted_count_not_negative check (accepted_count >= 0)
);
create index events_starts_at_idx on events (starts_at, id);
create index events_updated_at_idx on events (updated_at desc, id desc);
-- That somebody comes or not is no change of the event: an organiser does not lose their turn because of it.
create trigger events_raise_version before update of slug, title, description, kind, status, status_reason, starts_at,
    ends_at, time_zone, venue_name, venue_address, step_free, hearing_loop, quiet_room, access_information, online_url,
    capacity on events
  for each row execute function raise_version();
create trigger events_claim_slug after insert or update of slug on events for each row execute function claim_slug();
comment on table events is 'When people meet: teacamps, unconferences, webinars, meetings.';
comment on column events.id is 'UUIDv7.';
comment on column events.version is 'Raised by each change, but not by who comes; the entity tag.';
comment on column events.created_at is 'When it was made.';
comment on column events.updated_at is 'When it last changed.';
comment on column events.slug is 'Present slug; earlier ones are in slugs.';
comment on column events.title is 'What it is called.';
comment on column events.description is 'What it is about, in Markdown.';
comment on column events.kind is 'What sort of event it is.';
comment on column events.status is 'draft, published, cancelled or completed.';
comment on column events.status_reason is 'Why it was cancelled.';
comment on column events.starts_at is 'When it begins.';
comment on column events.ends_at is 'When it ends.';
comment on column events.time_zone is 'IANA name of the time zone in which it takes place.';
comment on column events.venue_name is 'Where; null when it is only online.';
comment on column events.venue_address is 'Address of the venue.';
comment on column events.step_free is 'Whether the venue can be reached without steps; null when nobody said.';
comment on column events.hearing_loop is 'Whether the venue has a hearing loop; null when nobody said.';
comment on column events.quiet_room is 'Whether the venue has a quiet room; null when nobody said.';
comment on column events.access_information is 'What else people need to know to get there and take part.';
comment on column events.online_url is 'Where it is online; seen by those who were accepted, and by organisers.';
comment on column events.capacity is 'How many can come; null without a limit.';
comment on column events.accepted_count is 'How many come; kept by rsvps_count.';
comment on column events.sequence is 'Raised when what calendars show changes; SEQUENCE of iCalendar.';

create function check_event() returns trigger language plpgsql as $$
begin
  if new.status <> old.status and (old.status, new.status) not in
    (('draft', 'published'), ('published', 'cancelled'), ('published', 'completed')) then
    raise exception 'an event that is % does not become %', old.status, new.status
      using errcode = 'check_violation', constraint = 'events_transition';
  end if;
  -- What nobody saw yet has no earlier edition.
  if old.status <> 'draft' and (new.title, new.description, new.status, new.starts_at, new.ends_at, new.time_zone,
      new.venue_name, new.venue_address, new.online_url) is distinct from (old.title, old.description, old.status,
      old.starts_at, old.ends_at, old.time_zone, old.venue_name, old.venue_address, old.online_url) then
    new.sequence := old.sequence + 1;
  end if;
  return new;
end $$;
comment on function check_event() is 'Events go from draft to published to cancelled or completed; each edition of what calendars show has a number.';
create trigger events_check before update on events for each row execute function check_event();

create table event_organisers (
  event_id uuid not null references events on delete cascade,
  organisation_id uuid not null references organisations on delete restrict,
  constraint event_organisers_pkey primary key (event_id, organisation_id)
);
create index event_organisers_organisation_id_idx on event_organisers (organisation_id, event_id);
comment on table event_organisers is 'Who invites.';
comment on column event_organisers.event_id is 'To what.';
comment on column event_organisers.organisation_id is 'An organisation whose contributors look after it.';

create function event_organiser_list(event uuid) returns jsonb
  language sql stable strict parallel safe
  return (select coalesce(jsonb_agg(jsonb_build_object('id', id, 'slug', slug, 'name', name) order by name, id), '[]')
    from event_organisers join organisations on id = organisation_id where event_id = event);
comment on function event_organiser_list(uuid) is 'Who invites, as references.';

create sequence rsvp_queue;

create table rsvps (
  id uuid primary key,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  event_id uuid not null references events on delete restrict,
  user_id uuid references users on delete set null,
  organisation_id uuid references organisations on delete restrict,
  status text not null,
  queue_number bigint not null default nextval('rsvp_queue'),
  access_needs text,
  checked_in_at timestamptz,
  constraint rsvps_once unique (event_id, user_id),
  constraint rsvps_status_check check (status in ('waitlisted', 'accepted', 'declined', 'cancelled')),
  constraint rsvps_access_needs_length check (char_length(access_needs) between 1 and 1000),
  constraint rsvps_who_is_there_has_a_place check (checked_in_at is null or status = 'accepted')
);
create index rsvps_waiting_idx on rsvps (event_id, queue_number) where status = 'waitlisted';
create index rsvps_event_id_idx on rsvps (event_id, id);
create index rsvps_user_id_idx on rsvps (user_id);
create index rsvps_organisation_id_idx on rsvps (organisation_id);
create trigger rsvps_raise_version before update on rsvps for each row execute function raise_version();
comment on table rsvps is 'Who wants to come, and whether there is a place for them.';
comment on column rsvps.id is 'UUIDv7.';
comment on column rsvps.version is 'Raised by each change; the entity tag.';
comment on column rsvps.created_at is 'When they first answered.';
comment on column rsvps.updated_at is 'When it last changed.';
comment on column rsvps.event_id is 'To what.';
comment on column rsvps.user_id is 'Who; empty once they are erased. Personal data.';
comment on column rsvps.organisation_id is 'For whom they come; empty when for nobody.';
comment on column rsvps.status is 'waitlisted, accepted, declined by an organiser, or cancelled by the person.';
comment on column rsvps.queue_number is 'Rises with each asking: who asked first has a place first.';
comment on column rsvps.checked_in_at is 'When they were there; null for who was not, or not yet.';
comment on column rsvps.access_needs is 'What they need to take part; seen by themselves and by organisers. Personal data.';

-- Whoever writes: with the lock on the event this is no queue of its own, as places are given one after the other anyway.
create function count_rsvps() returns trigger
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  taken integer := 0;
begin
  if tg_op <> 'INSERT' and old.status = 'accepted' then taken := taken - 1; end if;
  if tg_op <> 'DELETE' and new.status = 'accepted' then taken := taken + 1; end if;
  if taken <> 0 then
    update events set accepted_count = accepted_count + taken where id = coalesce(new.event_id, old.event_id);
  end if;
  return null;
end $$;
comment on function count_rsvps() is 'Keeps events.accepted_count, which never exceeds the capacity.';
create trigger rsvps_count after insert or delete or update of status on rsvps
  for each row execute function count_rsvps();

-- As their owner: of others who come or wait only this is told.
create function is_accepted(event uuid, person uuid) returns boolean
  language sql stable security definer set search_path = public, pg_temp
  return exists (select from rsvps where event_id = event and user_id = person and status = 'accepted');
comment on function is_accepted(uuid, uuid) is 'Whether a person comes to an event.';

create function waitlist_position(rsvp uuid) returns bigint
  language sql stable strict security definer set search_path = public, pg_temp
  return (select nullif((select count(*) from rsvps other where other.event_id = one.event_id
      and other.status = 'waitlisted' and other.queue_number <= one.queue_number), 0)
    from rsvps one where one.id = rsvp and one.status = 'waitlisted');
comment on function waitlist_position(uuid) is 'The place of somebody among those who wait: 1 is next; null for who does not wait.';

create function give_places(event uuid) returns table (rsvp uuid, organisation uuid)
  language sql security definer set search_path = public, pg_temp
begin atomic
  update rsvps set status = 'accepted' where id in (
    select waiting.id from rsvps waiting where waiting.event_id = event and waiting.status = 'waitlisted'
    order by waiting.queue_number
    -- All of them where there is no limit.
    limit (select case when status <> 'published' then 0 else capacity - accepted_count end from events where id = event))
  returning id, organisation_id;
end;
comment on function give_places(uuid) is 'Gives the free places of a locked event to those who wait, who asked first before the others; tells who has one now.';

grant select, insert, update, delete on events, event_organisers, rsvps to loti_service;
grant usage on sequence rsvp_queue to loti_service;

create function organises(event uuid) returns boolean
  language sql stable security definer set search_path = public, pg_temp
  return exists (select from event_organisers where event_id = event and may_see(organisation_id));
comment on function organises(uuid) is 'Whether who looks belongs to an organisation that invites to an event: the second wall around who comes.';

alter table rsvps enable row level security;
create policy rsvps_of_viewer on rsvps using (user_id = viewer_id('person') or viewer_is_operator() or organises(event_id));
