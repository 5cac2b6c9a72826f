create function citation_count(product uuid) returns bigint
  language sql stable strict parallel safe
  return (select count(*) from citations where product_id = product and status in ('active', 'ended'));
comment on function citation_count(uuid) is 'How many citations of a product stand, those that ended included.';
create function citing_organisation_count(product uuid) returns bigint
  language sql stable strict parallel safe
  return (select count(*) from citations where product_id = product and status = 'active');
comment on function citing_organisation_count(uuid) is 'How many organisations say today that they use a product.';
create function visible_comment_count(product uuid) returns bigint
  language sql stable strict parallel safe
  return (select count(*) from comments where product_id = product and status = 'visible');
comment on function visible_comment_count(uuid) is 'How many comments on a product everybody sees.';

drop function product_counts(uuid);
drop function fold_product_counters(integer);
drop trigger comments_count_delete on comments;
drop trigger comments_count_update on comments;
drop trigger comments_count_insert on comments;
drop trigger citations_count_delete on citations;
drop trigger citations_count_update on citations;
drop trigger citations_count_insert on citations;
drop function count_comments();
drop function count_citations();
drop table product_counter_deltas;
drop table product_counters;
drop function product_ref(uuid);
drop function is_stale(timestamptz, integer);
drop trigger citations_check on citations;
drop function check_citation();
drop trigger citations_raise_version on citations;
drop index citations_updated_at_idx, citations_contract_end_idx, citations_confirmed_at_idx,
  citations_organisation_id_idx, citations_product_id_idx, citations_one_live;
drop function contract_end_order(date);
alter table citations
  drop column version, drop column created_at, drop column updated_at, drop column since, drop column until,
  drop column scale_unit, drop column scale_band, drop column satisfaction, drop column what_worked,
  drop column would_change, drop column integrations, drop column visibility, drop column source,
  drop column cited_phase, drop column has_contract, drop column contract_reference, drop column contract_starts_on,
  drop column contract_ends_on, drop column contract_extendable_until, drop column contract_amount_pence,
  drop column contract_currency, drop column contract_cpv_codes, drop column contract_route_to_market;
alter table organisations drop column stale_after_days;
create unique index citations_one_live on citations (organisation_id, product_id) where status = 'active';
create index citations_product_id_live_idx on citations (product_id, organisation_id) where status = 'active';
create index citations_product_id_idx on citations (product_id);
create index citations_organisation_id_idx on citations (organisation_id);
