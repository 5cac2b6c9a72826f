-- What is left of a name without the words that people leave out, shorten or add: who is meant when nobody is spelled
-- exactly so.

create function spelling_core(value text) returns text
  language sql immutable strict parallel safe
  return regexp_replace(
    regexp_replace(alias_key(regexp_replace(value, '[''’`]', '', 'g')),
      '^(the )?((london borough|royal borough|metropolitan borough|borough|city and county|city|county|lb|rb)( of)? |royal )?', ''),
    '( (borough|city|county|district|metropolitan|council|corporation|mbc|nhs|foundation|trust|ft|ltd|limited|plc|llp|inc|uk|group))+$', '');
comment on function spelling_core(text) is 'A name without apostrophes, and without the words around it that say what kind of body it is: `LB Camden`, `Camden Council` and `London Borough of Camden` have one core.';

create function spelling_cores(name text, aliases text[]) returns text[]
  language sql immutable strict parallel safe
  return (select array_agg(distinct spelling_core(spelling)) from unnest(array_append(aliases, name)) as spelling);
comment on function spelling_cores(text, text[]) is 'The core of every spelling of an organisation.';
create index organisations_spelling_cores_idx on organisations using gin (spelling_cores(name, aliases));
