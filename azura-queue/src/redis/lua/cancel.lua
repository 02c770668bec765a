-- Asks to cancel a task.
local _, _, id = unpack(ARGV, 1, 16)
local state = redis.call('HGET', task(id), 'state')
if not state then return { 'missing' } end
if terminal(state) then return { 'ok', state } end
redis.call('HSET', task(id), 'cancel', 1)
if state == 'PENDING' then
  withdraw(id)
  return { 'ok', revoke(id, 'PENDING', '{}', 'revoked') }
end
tell(id)
return { 'ok', state }
