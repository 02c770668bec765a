-- Appends events: for each whether it is stored, what it says, and when it happened.
local _, _, id, attempt, after = unpack(ARGV, 1, 16)
if not leased(id, attempt) then return { 'stale' } end
local seq = tonumber(redis.call('HGET', task(id), 'seq'))
local there = math.max(seq - after, 0)
local newest = nil
for i = 6, #ARGV, 3 do
  local kept, details, at = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if kept == '' then
    redis.call('HSET', task(id), 'newest', details, 'newest_at', at)
    redis.call('HINCRBY', task(id), 'version', 1)
  elseif there > 0 then
    there = there - 1
  else
    seq = record(id, 'PROGRESS', attempt, details, at)
    newest = details
    redis.call('PUBLISH', 'task-progress:' .. id, details)
  end
end
if newest then meta(id, 'PROGRESS', newest) end
if #ARGV > 5 then tell(id) end
return { 'ok', int(seq) }
