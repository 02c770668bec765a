-- Records tasks that others have sent and nobody has taken yet, so that they are seen and can be cancelled: those of a queue whose name is one of
-- `names`. Looks at the newest messages of each list; more are seen when they are claimed.
local _, _, queue = unpack(ARGV, 1, 16)
local names = {}
for i = 4, #ARGV do names[ARGV[i]] = true end
for _, step in ipairs(STEPS) do
  for _, message in ipairs(redis.call('LRANGE', queue .. step, 0, 199)) do
    local known = string.match(message, '"id": ?"(' .. UUID .. ')"')
    if not known or redis.call('EXISTS', task(known)) == 0 then
      local headers, properties, id = opened(message)
      if headers and names[headers.task] and is_uuid(id) and id == string.lower(id) and redis.call('EXISTS', task(id)) == 0
        and not admit(id, queue, message, headers, properties) then
        redis.call('LREM', queue .. step, 1, message)
      end
    end
  end
end
return { 'ok' }
