-- Citations whole: what an organisation says of a product that it uses, for how long, under which contract, and who
-- may see it. Counters that are exact and make no queue of a popular product.

alter table organisations add column stale_after_days integer not null default 365,
  add constraint organisations_stale_after_days_range check (stale_after_days between 1 and 3650);
comment on column organisations.stale_after_days is 'Days after which a citation of the organisation that nobody confirmed counts as stale.';

alter table citations
  add column version integer not null default 1,
  add column created_at timestamptz not null default now(),
  add column updated_at timestamptz not null default now(),
  add column since date,
  add column until date,
  add column scale_unit text,
  add column scale_band text,
  add column satisfaction smallint,
  add column what_worked text,
  add column would_change text,
  add column integrations text[] not null default '{}',
  add column visibility text not null default 'public',
  add column source text,
  add column cited_phase text,
  add column has_contract boolean not null default false,
  add column contract_reference text,
  add column contract_starts_on date,
  add column contract_ends_on date,
  add column contract_extendable_until date,
  add column contract_amount_pence bigint,
  add column contract_currency text,
  add column contract_cpv_codes text[] not null default '{}',
  add column contract_route_to_market text,
  add constraint citations_until_after_since check (until >= since),
  add constraint citations_scale_unit_check check (scale_unit in ('users', 'properties')),
  add constraint citations_scale_band_check check (scale_band in
    ('under_100', 'from_100_to_1k', 'from_1k_to_10k', 'from_10k_to_100k', 'over_100k')),
  add constraint citations_scale_whole check ((scale_unit is null) = (scale_band is null)),
  add constraint citations_satisfaction_range check (satisfaction between 1 and 5),
  add constraint citations_what_worked_length check (char_length(what_worked) between 1 and 4000),
  add constraint citations_would_change_length check (char_length(would_change) between 1 and 4000),
  add constraint citations_integrations_length check (cardinality(integrations) <= 50),
  add constraint citations_visibility_check check (visibility in ('public', 'members', 'organisation')),
  add constraint citations_source_length check (char_length(source) between 1 and 200),
  add constraint citations_cited_phase_check check (cited_phase in ('concept', 'discovery', 'alpha', 'beta', 'live', 'retired')),
  add constraint citations_contract_reference_length check (char_length(contract_reference) between 1 and 200),
  add constraint citations_contract_ends_after_start check (contract_ends_on >= contract_starts_on),
  add constraint citations_contract_extendable_after_end check (contract_extendable_until >= contract_ends_on),
  add constraint citations_contract_amount_range check (contract_amount_pence between 0 and 9007199254740991),
  add constraint citations_contract_currency_form check (contract_currency ~ '^[A-Z]{3}$'),
  add constraint citations_contract_amount_has_currency check ((contract_amount_pence is null) = (contract_currency is null)),
  add constraint citations_contract_cpv_codes_length check (cardinality(contract_cpv_codes) <= 50),
  add constraint citations_contract_route_length check (char_length(contract_route_to_market) between 1 and 200),
  add constraint citations_contract_is_one check (has_contract or (contract_reference is null and contract_starts_on is null
    and contract_ends_on is null and contract_extendable_until is null and contract_amount_pence is null
    and cardinality(contract_cpv_codes) = 0 and contract_route_to_market is null));
create trigger citations_raise_version before update on citations
  for each row execute function raise_version();
comment on column citations.version is 'Raised by each change; the entity tag.';
comment on column citations.created_at is 'When it was made.';
comment on column citations.updated_at is 'When it last changed.';
comment on column citations.since is 'First day of use.';
comment on column citations.until is 'Last day of use; past or today for one that ended, else planned.';
comment on column citations.scale_unit is 'What the scale counts: users or properties served.';
comment on column citations.scale_band is 'How many of them.';
comment on column citations.satisfaction is '1 (not at all) to 5 (very).';
comment on column citations.what_worked is 'What worked well, as plain text.';
comment on column citations.would_change is 'What they would do otherwise, as plain text.';
comment on column citations.integrations is 'What it is connected with there, a phrase each.';
comment on column citations.visibility is 'public, for everybody; members, for people of public bodies; organisation, for its own.';
comment on column citations.source is 'Where it is from, when not from the organisation itself.';
comment on column citations.cited_phase is 'Phase of the product when the citation was made or last confirmed.';
comment on column citations.has_contract is 'Whether anything is recorded of a contract.';
comment on column citations.contract_reference is 'Number or name of the contract.';
comment on column citations.contract_starts_on is 'First day of the contract.';
comment on column citations.contract_ends_on is 'Last day of the contract, without extensions.';
comment on column citations.contract_extendable_until is 'Last day that it can be extended to.';
comment on column citations.contract_amount_pence is 'Value over its whole term, in the hundredth part of the currency.';
comment on column citations.contract_currency is 'ISO 4217.';
comment on column citations.contract_cpv_codes is 'Common Procurement Vocabulary.';
comment on column citations.contract_route_to_market is 'How it was procured, such as the framework.';

drop index citations_one_live, citations_product_id_live_idx, citations_product_id_idx, citations_organisation_id_idx;
-- A draft is no statement yet, so it does not stand in the way of one.
create unique index citations_one_live on citations (organisation_id, product_id) where status = 'active';
create index citations_product_id_idx on citations (product_id, status, organisation_id);
create index citations_organisation_id_idx on citations (organisation_id, id);
create index citations_confirmed_at_idx on citations (organisation_id, confirmed_at, id) where status = 'active';
create function contract_end_order(ends_on date) returns date
  language sql immutable parallel safe
  return coalesce(ends_on, date '9999-12-31');
comment on function contract_end_order(date) is 'Where a contract stands in the order of their ends: one without an end last.';
create index citations_contract_end_idx on citations (contract_end_order(contract_ends_on), id) where has_contract;
create index citations_updated_at_idx on citations (updated_at desc, id desc);

-- Who cites, and which way a citation goes: a statement that was made is not taken back to a draft, and one that is
-- over stays over.
create function check_citation() returns trigger language plpgsql as $$
declare
  cited_by record;
begin
  if tg_op = 'UPDATE' and (new.organisation_id <> old.organisation_id or new.product_id <> old.product_id) then
    raise exception 'a citation keeps its organisation and its product'
      using errcode = 'check_violation', constraint = 'citations_same_parties';
  end if;
  if tg_op = 'UPDATE' and new.status <> old.status and not (
    (old.status = 'draft' and new.status in ('active', 'ended', 'withdrawn'))
    or (old.status = 'active' and new.status in ('ended', 'withdrawn'))
    or (old.status = 'ended' and new.status = 'withdrawn')) then
    raise exception 'a citation that is % does not become %', old.status, new.status
      using errcode = 'check_violation', constraint = 'citations_transition';
  end if;
  if tg_op = 'INSERT' or (new.status = 'active' and old.status <> 'active') then
    -- Locked, so that an organisation that ends meanwhile is seen to.
    select kind, ends_on into cited_by from organisations where id = new.organisation_id for share;
    if cited_by.kind not in ('local_authority', 'regional_body', 'nhs', 'central_government') then
      raise exception 'only a public body cites'
        using errcode = 'check_violation', constraint = 'citations_by_public_body';
    end if;
    if new.status in ('draft', 'active') and (cited_by.ends_on < current_date
      or exists (select from organisation_replacements where organisation_id = new.organisation_id)) then
      raise exception 'an organisation that ended makes no new citation'
        using errcode = 'check_violation', constraint = 'citations_by_living_body';
    end if;
  end if;
  return new;
end $$;
comment on function check_citation() is 'Only public bodies that exist cite; a citation keeps its parties and goes from draft to active to its end, never back.';
create trigger citations_check before insert or update on citations
  for each row execute function check_citation();

create function is_stale(confirmed_at timestamptz, stale_after_days integer) returns boolean
  language sql stable parallel safe
  return confirmed_at < now() - make_interval(days => stale_after_days);
comment on function is_stale(timestamptz, integer) is 'Whether a citation that nobody confirmed since then counts as stale.';

create function product_ref(product uuid) returns jsonb
  language sql stable strict parallel safe
  return (select jsonb_build_object('id', id, 'slug', slug, 'name', name) from products where id = product);
comment on function product_ref(uuid) is 'How another resource names a product: id, slug, name.';

-- Counters. Writers only add rows, so that none waits for another; what they added is folded into one row a product
-- from time to time. A reader takes both, in one snapshot, and so is exact.

create table product_counters (
  product_id uuid primary key references products on delete cascade,
  citations bigint not null,
  organisations bigint not null,
  comments bigint not null
);
comment on table product_counters is 'What everybody sees of a product, counted up to the last fold.';
comment on column product_counters.product_id is 'The product.';
comment on column product_counters.citations is 'Public citations that are active or ended.';
comment on column product_counters.organisations is 'Organisations with a public citation that is active.';
comment on column product_counters.comments is 'Visible comments.';

create table product_counter_deltas (
  id bigint generated always as identity primary key,
  product_id uuid not null references products on delete cascade,
  citations integer not null,
  organisations integer not null,
  comments integer not null
);
create index product_counter_deltas_product_id_idx on product_counter_deltas (product_id)
  include (citations, organisations, comments);
comment on table product_counter_deltas is 'What was added to the counters of products since the last fold.';
comment on column product_counter_deltas.id is 'Rises.';
comment on column product_counter_deltas.product_id is 'The product.';
comment on column product_counter_deltas.citations is 'To add to citations; may be negative.';
comment on column product_counter_deltas.organisations is 'To add to organisations.';
comment on column product_counter_deltas.comments is 'To add to comments.';

create function count_citations() returns trigger language plpgsql as $$
begin
  -- Of a statement that touches many, one row a product.
  if tg_op = 'INSERT' then
    insert into product_counter_deltas (product_id, citations, organisations, comments)
      select product_id, count(*), count(*) filter (where status = 'active'), 0 from added
      where visibility = 'public' and status in ('active', 'ended') group by product_id;
  elsif tg_op = 'DELETE' then
    insert into product_counter_deltas (product_id, citations, organisations, comments)
      select product_id, -count(*), -count(*) filter (where status = 'active'), 0 from removed
      where visibility = 'public' and status in ('active', 'ended') group by product_id;
  else
    insert into product_counter_deltas (product_id, citations, organisations, comments)
      select product_id, sum(citations), sum(organisations), 0 from (
        select product_id, (status in ('active', 'ended'))::integer as citations, (status = 'active')::integer as organisations
          from added where visibility = 'public'
        union all
        select product_id, -(status in ('active', 'ended'))::integer, -(status = 'active')::integer
          from removed where visibility = 'public') both_sides
      group by product_id having sum(citations) <> 0 or sum(organisations) <> 0;
  end if;
  return null;
end $$;
comment on function count_citations() is 'Adds what a statement changes of the counters of products.';
create trigger citations_count_insert after insert on citations referencing new table as added
  for each statement execute function count_citations();
create trigger citations_count_update after update on citations referencing old table as removed new table as added
  for each statement execute function count_citations();
create trigger citations_count_delete after delete on citations referencing old table as removed
  for each statement execute function count_citations();

create function count_comments() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    insert into product_counter_deltas (product_id, citations, organisations, comments)
      select product_id, 0, 0, count(*) from added where status = 'visible' group by product_id;
  elsif tg_op = 'DELETE' then
    insert into product_counter_deltas (product_id, citations, organisations, comments)
      select product_id, 0, 0, -count(*) from removed where status = 'visible' group by product_id;
  else
    insert into product_counter_deltas (product_id, citations, organisations, comments)
      select product_id, 0, 0, sum(comments) from (
        select product_id, 1 as comments from added where status = 'visible'
        union all
        select product_id, -1 from removed where status = 'visible') both_sides
      group by product_id having sum(comments) <> 0;
  end if;
  return null;
end $$;
comment on function count_comments() is 'Adds what a statement changes of the counters of products.';
create trigger comments_count_insert after insert on comments referencing new table as added
  for each statement execute function count_comments();
create trigger comments_count_update after update on comments referencing old table as removed new table as added
  for each statement execute function count_comments();
create trigger comments_count_delete after delete on comments referencing old table as removed
  for each statement execute function count_comments();

create function fold_product_counters(most integer) returns bigint language sql volatile
begin atomic
  -- One at a time; what is added meanwhile waits for the next.
  with folding as (select pg_try_advisory_xact_lock(hashtextextended('fold_product_counters', 0)) as mine),
  taken as (
    delete from product_counter_deltas where id in (
      select id from product_counter_deltas where (select mine from folding) order by id limit most)
    returning product_id, citations, organisations, comments),
  summed as (
    select product_id, sum(citations) as citations, sum(organisations) as organisations, sum(comments) as comments
      from taken group by product_id),
  folded as (
    insert into product_counters as held (product_id, citations, organisations, comments)
      select product_id, citations, organisations, comments from summed order by product_id
      on conflict (product_id) do update set citations = held.citations + excluded.citations,
        organisations = held.organisations + excluded.organisations, comments = held.comments + excluded.comments)
  select count(*) from taken;
end;
comment on function fold_product_counters(integer) is 'Folds at most so many of the oldest additions into the counters, and tells how many.';

create function product_counts(product uuid) returns bigint[]
  language sql stable strict parallel safe
  return (select array[coalesce(sum(citations), 0)::bigint, coalesce(sum(organisations), 0)::bigint, coalesce(sum(comments), 0)::bigint]
    from (select citations, organisations, comments from product_counters where product_id = product
          union all
          select citations, organisations, comments from product_counter_deltas where product_id = product) counted);
comment on function product_counts(uuid) is 'What everybody sees of a product: citations that are active or ended, organisations that use it today, comments.';

insert into product_counters (product_id, citations, organisations, comments)
  select id, citation_count(id), citing_organisation_count(id), visible_comment_count(id) from products;
drop function citation_count(uuid);
drop function citing_organisation_count(uuid);
drop function visible_comment_count(uuid);

grant select, insert, update, delete on product_counters, product_counter_deltas to loti_service;
