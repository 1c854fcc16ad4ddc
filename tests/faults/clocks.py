async def run(scene):
    pass
