-- Tasks that wait here although a worker of Celery's has ended them: id by id with what it said. Looks at so many at a time, all around.
local CURSOR = P .. 'strays'
local from = redis.call('GET', CURSOR)
local ids = redis.call('ZRANGEBYSCORE', in_state('PENDING'), from and '(' .. from or '-inf', '+inf', 'LIMIT', 0, 100)
if #ids < 100 then redis.call('DEL', CURSOR)
else redis.call('SET', CURSOR, redis.call('HGET', task(ids[#ids]), 'created')) end
local found = { 'ok' }
for _, id in ipairs(ids) do
  local said = redis.call('GET', 'celery-task-meta-' .. id)
  if said and ended(said) then
    table.insert(found, id)
    table.insert(found, said)
  end
end
return found
