-- A catalogue of :rows made-up products, for measuring. Half of them hold the word "service"; one in 10 000 "zeppelin".
insert into products (id, slug, name, summary, description, kind, phase, categories, platforms, features, service_codes, confirmed_at)
select
  (lpad(to_hex(n), 8, '0') || '-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
  'made-up-' || n,
  (array['Planner','Ledger','Rota','Archive','Portal','Desk','Map','Register','Tracker','Notice'])[1 + n % 10]
    || ' ' || (array['North','South','East','West','Green','Blue','Red','Amber'])[1 + n % 8] || ' ' || n,
  case when n % 2 = 0 then 'A service for ' else 'Software for ' end
    || (array['housing repairs','planning cases','bin collection','parking permits','school places','library loans','care assessments'])[1 + n % 7],
  'Keeps ' || md5(n::text) || ' and ' || md5((n * 7)::text) || ' in order, so that officers find what they need. '
    || case when n % 10000 = 0 then 'It once flew a zeppelin. ' else '' end
    || repeat('It is used by teams who record, check and report. ', 1 + n % 12),
  (array['product','project','prototype','service'])[1 + n % 4],
  (array['concept','discovery','alpha','beta','live','live','live','retired'])[1 + n % 8],
  array['category-' || n % 60, 'category-' || n % 7],
  array[(array['web','windows','linux','ios','android'])[1 + n % 5]],
  array['Feature ' || n % 500],
  array[(array['524','1152','372'])[1 + n % 3]],
  now() - make_interval(mins => (n * 7919) % 1000000)
from generate_series(1, :rows) as n;
analyze products;
