-- Celery's revoke: a task that waits, or comes until `till` from now, is not done. One that runs is stopped if `terminate` is set.
local _, _, id, till, terminate = unpack(ARGV, 1, 16)
redis.call('ZREMRANGEBYSCORE', REVOKED, '-inf', NOW_TEXT)
redis.call('ZADD', REVOKED, int(NOW + till), id)
-- As many as a worker of Celery's remembers.
redis.call('ZREMRANGEBYRANK', REVOKED, 0, -50001)
local t = find(id)
if t and t.state == 'PENDING' then
  -- If a worker of Celery's has it, that was told too, and says how it ends.
  if withdraw(t) then revoke(t, '{}', 'revoked') end
elseif t and t.state == 'STARTED' and terminate ~= '' then
  redis.call('HSET', task(id), 'cancel', 1)
  tell(id)
end
return { 'ok' }
