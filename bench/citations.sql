-- As many made-up citations as products: of 400 public bodies, each of which cites some hundred products, with a
-- contract in four of five. Suppliers for the products, one in 200.
insert into organisations (id, slug, kind, name, region)
select ('00000001-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'body-' || n, 'local_authority', 'Body ' || n,
  (array['London', 'South East', 'North West'])[1 + n % 3]
from generate_series(1, 400) as n;
insert into organisations (id, slug, kind, name)
select ('00000002-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'vendor-' || n, 'supplier', 'Vendor ' || n
from generate_series(1, 200) as n;
update products set supplier_id = ('00000002-0000-7000-8000-' || lpad(to_hex(1 + abs(hashtext(slug)) % 200), 12, '0'))::uuid;
insert into citations (id, organisation_id, product_id, status, confirmed_at, since, visibility, satisfaction, cited_phase,
  has_contract, contract_ends_on, contract_amount_pence, contract_currency)
select gen_random_uuid(), ('00000001-0000-7000-8000-' || lpad(to_hex(1 + n % 400), 12, '0'))::uuid, p.id,
  case when n % 9 = 0 then 'ended' else 'active' end, now() - make_interval(hours => (n * 7919) % 12000),
  date '2015-01-01' + n % 4000, (array['public', 'public', 'public', 'members', 'organisation'])[1 + n % 5],
  case when n % 3 = 0 then 1 + n % 5 end, case when n % 11 = 0 then 'alpha' else p.phase end,
  n % 5 <> 0, case when n % 5 <> 0 then date '2026-01-01' + (n * 31) % 2000 end,
  case when n % 5 <> 0 then n * 1000 end, case when n % 5 <> 0 then 'GBP' end
-- One product in twenty is popular, so that some have many citations.
from generate_series(1, :rows) as n
join products p on p.slug = 'made-up-' || (1 + (n / 400) + (n * 613) % 5000 / 20);
analyze organisations; analyze products; analyze citations;
select sum(fold_product_counters(10000)) from generate_series(1, 20) \g /dev/null
analyze product_counters;
