drop function calendar_events(bytea, integer);
drop function calendar_owner(bytea);
drop table calendars;
drop trigger rsvps_tell_place on rsvps;
drop function tell_place();
drop trigger events_tell_change on events;
drop function tell_event_change();
drop function whereabouts(text, timestamptz, timestamptz, text);
drop table event_changes;
drop function planned_around(uuid);

create or replace function organises(event uuid) returns boolean
  language sql stable security definer set search_path = public, pg_temp
  return exists (select from event_organisers where event_id = event and may_see(organisation_id));
comment on function organises(uuid) is 'Whether who looks belongs to an organisation that invites to an event: the second wall around who comes.';

drop trigger events_raise_version on events;
alter table events drop column search, drop column changed_apart, drop column recurrence_on, drop column series_id, drop column network_id;
create trigger events_raise_version before update of slug, title, description, kind, status, status_reason, starts_at,
    ends_at, time_zone, venue_name, venue_address, step_free, hearing_loop, quiet_room, access_information, online_url,
    capacity on events
  for each row execute function raise_version();
drop table event_series;
drop policy network_members_of_viewer on network_members;
drop function looks_after_network(uuid);
drop function convenes(uuid, uuid);
drop function member_count(uuid);
drop function network_ref(uuid);
drop table network_members;
drop table networks;
delete from slugs where kind = 'networks';
